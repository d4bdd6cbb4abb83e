"""Every arena through the suite: ours, the toys that strain the contracts, and other people's."""

from __future__ import annotations

import numpy as np
import pytest

from arenas import ARENAS
from marl.loading import ArenaRef
from marl.testing import check_arena

TOYS = "tests.contract.toys:"

STRAINED = {
    "early leavers": ArenaRef(f"{TOYS}Leavers"),
    "two roles, dict, image": ArenaRef(f"{TOYS}TwoRoles"),
    "roles, masks, an early leaver": ArenaRef(f"{TOYS}Diggers"),
    "nothing to see": ArenaRef(f"{TOYS}Blind"),
    "absent seats": ArenaRef(f"{TOYS}Stages", {"active": 2}),
    "options within capacities": ArenaRef(
        f"{TOYS}Stages", {"active": 2, "length": 2}, {"seats": 4, "length": 9}
    ),
    "masks": ArenaRef(f"{TOYS}Doors"),
    "masks of pairs": ArenaRef(f"{TOYS}Pairs"),
    "masks in the info": ArenaRef(f"{TOYS}InfoMasked"),
    "turns with masks": ArenaRef(f"{TOYS}Nim", {"players": 3}),
}

FOREIGN = {
    "mpe2 spread": (ArenaRef("mpe2.simple_spread_v3", {"max_cycles": 12}), True),
    "mpe2 tag, continuous": (
        ArenaRef("mpe2.simple_tag_v3", {"max_cycles": 12, "continuous_actions": True}),
        True,
    ),
    "tic-tac-toe": (ArenaRef("pettingzoo.classic.tictactoe_v3"), False),
    "connect four": (ArenaRef("pettingzoo.classic.connect_four_v3"), False),
    "mpe2 spread, stacked": (
        ArenaRef("mpe2.simple_spread_v3", {"max_cycles": 12}, wrap=("frame_stack_v1:3",)),
        True,
    ),
    "connect four, stacked": (
        ArenaRef("pettingzoo.classic.connect_four_v3", wrap=("frame_stack_v1:2",)),
        False,
    ),
    "masks under a wrapper": (ArenaRef(f"{TOYS}Doors", wrap=("frame_stack_v1:2",)), True),
    "two wrappers": (
        ArenaRef(
            "mpe2.simple_spread_v3", {"max_cycles": 12}, wrap=("agent_indicator_v0", "frame_stack_v1:2")
        ),
        True,
    ),
}


@pytest.mark.timeout(300)  # numba compiles the batched ones in a fresh checkout
@pytest.mark.parametrize("name", ARENAS)
def test_registered_arenas_keep_the_contract(name: str) -> None:
    """Whatever stands in the table of arenas passes the whole suite, as it comes."""
    if name == "assembly":
        pytest.importorskip("pybullet", reason="the physics engine has no wheel for this Python")
    check_arena(ARENAS[name])


@pytest.mark.parametrize("name", STRAINED)
def test_strained_arenas_keep_the_contract(name: str) -> None:
    """Every way of writing an arena that the contract allows passes the suite."""
    check_arena(STRAINED[name])


@pytest.mark.parametrize("name", FOREIGN)
def test_other_peoples_arenas_keep_the_contract(name: str) -> None:
    """Third-party environments, turn-based and wrapped ones too, are usable wherever ours are."""
    ref, seeded = FOREIGN[name]
    check_arena(ref, seeded=seeded)


def test_wrapped_masks_stay_apart() -> None:
    """Wrappers never see a mask, and the seats still get theirs: its length is the number of choices."""
    from marl.loading import build

    role = build(ArenaRef(f"{TOYS}Doors", wrap=("frame_stack_v1:2",))).spec.roles[0]
    assert role.masked
    assert role.mask_size == 4
    assert role.observation[0].shape == (8,)
    assert role.observation[0].numpy_dtype == np.float32
