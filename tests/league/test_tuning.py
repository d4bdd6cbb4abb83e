"""Tuned settings are found by arena and learner, stand under what is said, and fit their learner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agents import LEARNERS, learner_class
from agents.tuned import about_preset, all_presets, read_options, read_preset, read_scale
from league.config import read_league
from league.training import settings_of_one
from league.tuning import differing, place_of, tuned
from marl.errors import MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

SPREAD = "mpe2.simple_spread_v3"


def settings_in(values: dict[str, Any]) -> dict[str, Any]:
    """The learner's own settings."""
    settings: dict[str, Any] = values["learner"]["settings"]
    return settings


def test_the_learners_own_preset_is_taken_by_itself() -> None:
    """`auto` finds it by arena and learner; where there is none, or none is wanted, nothing is put in."""
    values, taken = tuned(settings_of_one(SPREAD), "auto")
    assert taken == "mpe2/simple_spread_v3/ppo"
    assert settings_in(values) == read_preset(taken)
    for arena, asked in ((SPREAD, "none"), ("identity", "auto")):
        values = settings_of_one(arena)
        assert tuned(values, asked) == (values, "")


def test_what_is_said_wins() -> None:
    """A setting of one's own stays; the preset's others are put beside it."""
    values, taken = tuned(settings_of_one(SPREAD, settings={"lr": 0.5}), "auto")
    assert settings_in(values) == {**read_preset(taken), "lr": 0.5}
    assert len(settings_in(values)) > 3


def test_presets_go_by_name() -> None:
    """Of the arena, or of any; an unknown one is refused with those that there are."""
    assert tuned(settings_of_one(SPREAD), "mappo")[1] == "mpe2/simple_spread_v3/mappo"
    assert tuned(settings_of_one("identity"), "trading/ppo")[1] == "trading/ppo"
    with pytest.raises(UnknownNameError, match="mappo"):
        tuned(settings_of_one(SPREAD), "mapo")
    with pytest.raises(UnknownNameError, match="trading/ppo"):
        tuned(settings_of_one(SPREAD), "trading/pppo")


def test_as_much_is_played_as_it_was_tuned_on() -> None:
    """Copies and steps of a fragment are the preset's, unless they are said."""
    values, _ = tuned(settings_of_one("gymnasium", options={"id": "CartPole-v1"}), "auto")
    assert (values["pool"]["copies"], values["learner"]["rollout"]) == (8, 32)
    assert "play" not in settings_in(values)
    own = {**settings_of_one("spread"), "pool": {"copies": 4}}
    values, _ = tuned(own, "auto")
    assert (values["pool"], values["learner"]["rollout"]) == ({"copies": 4}, 25)


def test_other_options_than_those_tuned_with_are_found() -> None:
    """Defaults count where they are known; other people's arenas are compared in what both sides say."""
    trading = read_options("trading/ppo")
    assert trading is not None
    assert trading["mark"] == "value"
    assert not differing("trading/ppo", "trading", trading)
    assert differing("trading/ppo", "trading", {})["mark"] == ("value", "mid")
    depth = differing("trading/ppo", "trading", {**trading, "depth": 7})
    assert depth == {"depth": (5, 7)}
    preset = f"{SPREAD.replace('.', '/')}/ppo"
    assert not differing(preset, SPREAD, {"max_cycles": 25, "render_mode": "rgb_array"})
    assert differing(preset, SPREAD, {"max_cycles": 50}) == {"max_cycles": (25, 50)}
    assert not differing("assembly/ppo", SPREAD, {"max_cycles": 50})  # it does not say


def needy(*, size: int) -> object:
    """Somebody's arena that can't do without an option."""
    raise AssertionError(size)


def test_an_arena_that_needs_options_is_compared_too() -> None:
    """It is not made without them: what both sides say counts."""
    assert differing("spread/ppo", f"{__name__}:needy", {"size": 2, "agents": 4}) == {"agents": (3, 4)}


@pytest.mark.parametrize(
    ("arena", "options", "place"),
    [
        ("trading", {}, "trading"),
        ("arenas.trading:TradingBatch", {}, "trading"),
        ("gymnasium", {"id": "CartPole-v1"}, "gymnasium/CartPole-v1"),
        ("mpe2.simple_spread_v3", {}, "mpe2/simple_spread_v3"),
    ],
)
def test_where_presets_lie(arena: str, options: dict[str, Any], place: str) -> None:
    """By short name, also for a full spec; by Gymnasium's id; by module."""
    assert place_of(arena, options) == place


@pytest.mark.parametrize("preset", all_presets())
def test_every_preset_fits_its_learner(preset: str) -> None:
    """Its values are settings of the learner it is named after (variants: of ppo), and it says why."""
    name = preset.rpartition("/")[2]
    try:
        learner = learner_class(name if name in LEARNERS else "ppo")
    except MissingExtraError as error:
        pytest.skip(str(error))
    learner.Settings.read(preset, read_preset(preset))
    read_scale(preset)
    assert about_preset(preset)


def test_a_league_without_settings_of_its_own_takes_the_preset(tmp_path: Path) -> None:
    """Settings of its own keep it out, `learner.preset` asks for it; who reads is told which one it was."""
    file = tmp_path / "own.toml"
    told: list[str] = []
    file.write_text(f'arena = "{SPREAD}"\n', encoding="utf-8")
    read_league(str(file), told=told.append)
    assert not told  # nothing learns in a tournament alone
    with file.open("a", encoding="utf-8") as more:
        more.write('[[stages]]\nname = "one"\nsteps = 64\nmax_tasks = 1\n')
    assert read_league(str(file), told=told.append).learner.settings == read_preset(told[0])
    assert read_league(str(file), ["learner.settings.lr=0.5"]).learner.settings == {"lr": 0.5}
    mixed = read_league(str(file), ["learner.settings.lr=0.5", "learner.preset=ppo"])
    assert mixed.learner.settings == {**read_preset(told[0]), "lr": 0.5}
    assert not read_league(str(file), ["learner.preset=none"]).learner.settings
