"""Every preset of the site keeps the contract of arenas."""

from __future__ import annotations

import pytest

from arenas import full_spec
from arenas.construction.options import PRESETS, preset
from league import read_league
from league.review import review
from marl.loading import ArenaRef
from marl.testing import check_arena

SMALL = {"activities": 8}


@pytest.mark.timeout(300)  # numba compiles the kernel in a fresh checkout
@pytest.mark.parametrize("name", PRESETS)
def test_presets_keep_the_contract(name: str) -> None:
    """Each preset, with projects of eight activities, passes the whole suite."""
    check_arena(ArenaRef(full_spec("construction"), preset(name, **SMALL)))


@pytest.mark.timeout(300)
def test_options_within_capacities_keep_the_contract() -> None:
    """Fewer trades and activities than the capacities leave seats empty and change no space."""
    check_arena(
        ArenaRef(
            full_spec("construction"),
            preset("rcpsp", activities=6, trades=2, blueprint=True),
            preset("rcpsp", activities=9, trades=3, blueprint=True),
        )
    )


def test_the_sites_league_passes_its_review() -> None:
    """The league preset names what there is, and asks of one team only what can be asked of it."""
    assert len(review(read_league("construction")).seats) == 4
