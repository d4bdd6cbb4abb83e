"""What the settings name is looked at before anything begins: one clear error, and no folder is made."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from league.config import LeagueSettings, read_league
from league.league import League
from league.review import review
from marl.errors import ConfigError, MarlError, SnapshotError, SpecError, UnknownNameError
from tests.league.driving import DUEL, TOY, toy

_ALONE = json.dumps(
    {"against": ["itself"], "metric": "score", "score_range": [0.0, 1.0], "threshold": 0.5, "max_blocks": 8}
)


def _scene(focal: str, *background: str) -> str:
    """A format of one scenario, as an assignment has it."""
    entry = {"name": "visit", "focal": [focal], "background": {"player": background} if background else {}}
    return json.dumps({"kind": "scenarios", "scenarios": [entry]})


@pytest.mark.parametrize(
    ("of", "assignment", "kind", "parts"),
    [
        (DUEL, "arena=biased_rsp", UnknownNameError, ["arena", "biased_rps"]),
        (DUEL, "arena=no_such.module:Arena", SpecError, ["no module 'no_such'"]),
        (DUEL, "arena=arenas.matrix:Nothing", SpecError, ["no 'Nothing' in arenas.matrix"]),
        (DUEL, "options.setps=3", UnknownNameError, ["'setps'", "steps"]),
        (DUEL, "options.steps=0", ConfigError, ["steps"]),
        (TOY, "stages.1.options.setps=3", UnknownNameError, ["'setps'", "steps"]),
        (DUEL, "tournament.options.setps=3", UnknownNameError, ["'setps'", "steps"]),
        (DUEL, 'tournament.players=["randm", "random"]', UnknownNameError, ["'randm'", "random"]),
        (DUEL, 'tournament.players=["random", "no/such/snapshot"]', SnapshotError, ["no such folder"]),
        (DUEL, 'tournament.players=["random", "random"]', ConfigError, ["random twice"]),
        (DUEL, 'tournament.players=["random"]', ConfigError, ["two players"]),
        (DUEL, 'tournament.format={"kind": "adaptive", "budget": 1}', ConfigError, ["budget", "2 of each"]),
        (TOY, 'tournament.format={"kind": "adaptive", "budget": 5}', ConfigError, ["budget", "Raise"]),
        (DUEL, "tournament.anchors.randm=1000", UnknownNameError, ["anchors", "'randm'", "random"]),
        (TOY, 'tournament.must_beat=["randm"]', UnknownNameError, ["must_beat", "'randm'", "random"]),
        (DUEL, 'tournament.must_beat=["random"]', ConfigError, ["must_beat", "stages"]),
        (DUEL, 'tournament.external=[{"name": "random"}]', ConfigError, ["random twice"]),
        (TOY, 'pool.hosts=["tcp://a:7000"]', ConfigError, ["workers = 1"]),
        (TOY, 'player="random"', ConfigError, ["random twice"]),
        (TOY, 'stages.0.opponents.players=["randm"]', UnknownNameError, ["'randm'", "random"]),
        (TOY, 'stages.0.gate.against=["randm"]', UnknownNameError, ["'randm'", "random"]),
        (TOY, "arena=identity", ConfigError, ["one side", "itself"]),
        (TOY, f"stages.0.gate={_ALONE}", ConfigError, ["itself", "2 sides"]),
        (DUEL, 'arena=climbing,tournament.format={"kind": "swiss"}', ConfigError, ["one side", "cross_play"]),
        (DUEL, 'tournament.format={"kind": "cross_play"}', ConfigError, ["one side"]),
        (DUEL, "arena=climbing,tournament.anchors.random=5", ConfigError, ["anchors", "scores"]),
        (DUEL, f"tournament.format={_scene('player_7')}", ConfigError, ["player_7", "player_0"]),
        (DUEL, f"tournament.format={_scene('player_0', 'randm')}", UnknownNameError, ["'randm'", "random"]),
        (DUEL, f"tournament.format={_scene('player_0')}", ConfigError, ["nobody for seat player_1"]),
    ],
)
def test_wrong_names_are_told_first(
    tmp_path: Path, of: dict[str, Any], assignment: str, kind: type[MarlError], parts: list[str]
) -> None:
    """Each wrong name is one error of one line that names it and what would fit; nothing is written."""
    with pytest.raises(MarlError) as caught:
        League(toy(*re.split(r",(?=tournament)", assignment), of=of), tmp_path / "run")
    assert type(caught.value) is kind
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("assignment", "near"),
    [
        ("tournment.blocks=3", "tournament"),
        ("tournament.block=3", "blocks"),
        ("pool.copie=3", "copies"),
        ("learner.rolout=3", "rollout"),
        ("stages.0.gate.treshold=0.5", "threshold"),
        ("stages.0.opponents.latst=0.5", "latest"),
        ("tournament.gateway.bnd=x", "bind"),
    ],
)
def test_unknown_keys_name_the_nearest(assignment: str, near: str) -> None:
    """A key that is none is an error that says which one it looks like."""
    with pytest.raises(UnknownNameError, match=f"Did you mean '{near}'"):
        toy(assignment)


@pytest.mark.parametrize(
    "assignment", ["seed", "=3", "stages.7.steps=1", "stages.x.steps=1", "seed.deeper=1", "stages.9=1"]
)
def test_assignments_that_lead_nowhere(assignment: str) -> None:
    """An assignment that can't be put in is one error that repeats it."""
    with pytest.raises(ConfigError, match="--set") as caught:
        toy(assignment)
    assert assignment in str(caught.value)


def test_settings_that_fit_are_let_through() -> None:
    """What `League` would run, review lets through, and says the arena's spec."""
    assert review(toy()).seats == ("player_0", "player_1")
    assert review(toy(of=DUEL)).arena == "arenas.matrix:BiasedRPS"


def test_unknown_preset_lists_the_known() -> None:
    """A preset's wrong name is answered with the right ones."""
    with pytest.raises(UnknownNameError, match="Did you mean 'demo'"):
        read_league("dmeo")


def test_broken_file_says_where(tmp_path: Path) -> None:
    """A TOML file that is none is named with the line."""
    path = tmp_path / "broken.toml"
    path.write_text("name = 'x'\nseed = = 3\n")
    with pytest.raises(ConfigError, match="line 2"):
        read_league(str(path))
    with pytest.raises(ConfigError, match="no such file"):
        read_league(str(tmp_path / "none.toml"))


def test_half_a_snapshot_is_no_player(tmp_path: Path) -> None:
    """A folder that lacks a snapshot's files is refused by name."""
    (tmp_path / "half").mkdir()
    values = DUEL | {"tournament": {"players": ["random", str(tmp_path / "half")]}}
    with pytest.raises(SnapshotError, match=r"no manifest\.json"):
        review(LeagueSettings.read("duel", values))


# the first use of the market on a machine compiles it
@pytest.mark.timeout(240)
def test_every_preset_is_fit() -> None:
    """Presets name what there is."""
    review(read_league("demo"))
