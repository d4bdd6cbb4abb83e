"""Formats that are judged by scores: partners of all kinds, and held-out scenarios after Melting Pot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, model_validator

from league.cooperation import Normaliser, Scenario, check_scenarios
from league.formats.meeting import Meeting, Round, every, played_blocks
from marl.settings import Settings


class CrossPlay(Settings):
    """Everybody with itself, and everybody with everybody else: for arenas in which all are one team."""

    kind: Literal["cross_play"] = "cross_play"
    blocks: int = Field(8, ge=1, description="blocks of each pair, and of each player by itself")
    alone: bool = Field(default=False, description="by themselves only: for arenas of one seat")

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """All that were not yet: whoever enters later plays with everybody, too."""
        here = [player for player in entrants if player not in gone]
        done = played_blocks(rounds)
        pairs = [(one, two) for i, one in enumerate(here) for two in here[i : i + 1 if self.alone else None]]
        left = [(pair, self.blocks - done.get(frozenset(pair), 0)) for pair in pairs]
        return tuple(Meeting(pair, blocks) for pair, blocks in left if blocks > 0)


class NormaliserSettings(Settings):
    """What counts as 0 and as 1 in a scenario; frozen, so that scores of other years can be compared."""

    version: str = Field(min_length=1, description="names the baselines that low and high are from")
    low: float = Field(description="focal score of the worst baseline")
    high: float = Field(description="focal score of the best baseline")


class ScenarioSettings(Settings):
    """Focal seats for those who are tested, the others for a fixed background."""

    name: str = Field(min_length=1, description="what tables call it")
    focal: tuple[str, ...] = Field(min_length=1, description="seats of those who are tested")
    background: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="who can sit in the other seats, by role; drawn for every block"
    )
    normaliser: NormaliserSettings | None = Field(None, description="scale of its scores; none: as they are")

    @property
    def scenario(self) -> Scenario:
        """As `league.cooperation` knows it."""
        return Scenario(self.name, self.focal, self.background)

    def normalised(self, score: float) -> float | None:
        """The score on the scenario's scale; None where it has none."""
        if self.normaliser is None:
            return None
        scale, scenario = self.normaliser, self.scenario
        return Normaliser(scenario.digest, scale.version, scale.low, scale.high)(score, scenario)


class Scenarios(Settings):
    """Every entrant in the focal seats of every scenario, with the same backgrounds on the same seeds."""

    kind: Literal["scenarios"] = "scenarios"
    blocks: int = Field(8, ge=1, description="blocks of each scenario and entrant")
    scenarios: tuple[ScenarioSettings, ...] = Field(min_length=1, description="what they are tested in")

    @model_validator(mode="after")
    def _differ(self) -> Scenarios:
        check_scenarios([entry.scenario for entry in self.scenarios])
        names = [entry.name for entry in self.scenarios]
        if len(set(names)) < len(names):
            raise ValueError(f"scenarios {', '.join(names)} must have different names")
        return self

    @property
    def background(self) -> tuple[str, ...]:
        """Everybody who can sit in a seat that is not focal."""
        return tuple(
            dict.fromkeys(
                name for entry in self.scenarios for names in entry.background.values() for name in names
            )
        )

    def next_round(
        self, entrants: Sequence[str], gone: frozenset[str], rounds: Sequence[Round]
    ) -> tuple[Meeting, ...]:
        """Every scenario of every entrant that was not yet."""
        done = {(met.meeting.players[0], met.meeting.label) for met in every(rounds) if not met.walkover}
        return tuple(
            Meeting(_table(player, entry.background), self.blocks, entry.name, entry.scenario)
            for entry in self.scenarios
            for player in entrants
            if (player, entry.name) not in done and not gone & {*_table(player, entry.background)}
        )


def _table(player: str, background: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Who is tested, then everybody who can be drawn beside it, which may be itself."""
    beside = dict.fromkeys(name for names in background.values() for name in names)
    return (player, *(beside or (player,)))
