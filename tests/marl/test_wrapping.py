"""A list of SuperSuit wrappers in the settings is what learners train in; what does not fit is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from league import train
from marl.errors import SpecError, UnknownNameError
from marl.loading import ArenaRef, build
from marl.spaces import from_json

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("supersuit", reason="the extra `supersuit`")
pytest.importorskip("mpe2", reason="somebody else's arenas")
SPREAD = "mpe2.simple_spread_v3"


def test_learners_train_in_what_is_wrapped(tmp_path: Path) -> None:
    """Two frames of 18 numbers are what the policy of the snapshot sees."""
    pool = {"copies": 2, "hosts": 0}
    made = train(
        SPREAD,
        steps=60,
        out=tmp_path,
        settings={"hidden": [8]},
        wrap=["frame_stack_v1:2", "dtype_v0:float32"],
        pool=pool,
    )
    held = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    (role,) = held["roles"].values()
    assert from_json(role["observation_space"]).shape == (36,)


@pytest.mark.parametrize("name", ["concat_vec_envs_v1:4", "pettingzoo_env_to_vec_env_v1", "frame_stakc_v1:2"])
def test_unknown_wrappers_are_answered_with_the_known_ones(name: str) -> None:
    """Those that stack environments are none: pools do that."""
    with pytest.raises(UnknownNameError, match="frame_stack_v1, frame_stack_v2"):
        build(ArenaRef(SPREAD, wrap=(name,)))


@pytest.mark.parametrize("entry", ["resize_v1:84,84", "frame_stack_v1:four", "clip_reward_v0:1,2,3,4"])
def test_arguments_that_do_not_fit_are_refused(entry: str) -> None:
    """The entry is named, and what the wrapper says of it."""
    with pytest.raises(SpecError, match="arguments that the wrapper takes") as caught:
        build(ArenaRef(SPREAD, wrap=(entry,)))
    assert entry in str(caught.value)
