"""A block, the unit of statistics and of resume: one seed x the distinct seat rotations of a lineup.

A block is planned (`plan_block`), played match by match (`plan_matches`), and recorded whole (`BlockResult`).
All of it is frozen data, plain JSON both ways, shared by the match runner and the ledger. Nothing here knows
the clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, Self, get_args

from league.rotation import Lineup, rotations
from marl.errors import ConfigError, LedgerError
from marl.rng import seed_of
from marl.spec import Spec, content_hash

Purpose = Literal["train", "gate", "eval", "tournament"]
Outcome = Literal["ok", "timeout", "error", "illegal", "void"]
PURPOSES: tuple[str, ...] = get_args(Purpose)
OUTCOMES: tuple[str, ...] = get_args(Outcome)


@dataclass(frozen=True)
class MatchPlan:
    """A match to be played; `match` is a 63-bit number: the ticket's, and the key of its random draws."""

    match: int
    block: str
    index: int
    seed: int
    arena: str
    version: str
    options: Mapping[str, Any]
    lineup: Lineup

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(**data)


@dataclass(frozen=True)
class BlockPlan:
    """A block to be played: what is fixed before its first match begins.

    `lineups` are the rotations, resolved; `roles` and `teams` say the role and the team of each seat. `task`
    and `position` are the block's place in the plan of `run`: everything that reads blocks orders them by it,
    never by when they were finished.
    """

    run: str
    task: int
    position: int
    arena: str
    version: str
    options: Mapping[str, Any]
    stage: str
    purpose: Purpose
    seed: int
    roles: Mapping[str, str]
    lineups: tuple[Lineup, ...]
    teams: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.purpose not in PURPOSES:
            raise ConfigError(
                "block.purpose", got=repr(self.purpose), expected=f"one of {', '.join(PURPOSES)}"
            )

    @cached_property
    def content(self) -> str:
        """Content hash of the plan without the run's name: equal in two runs of the same plan."""
        data = self.to_json()
        del data["run"]
        return content_hash(data)

    @cached_property
    def id(self) -> str:
        """Content hash of the whole plan: the block's name in the ledger."""
        return content_hash([self.run, self.content])

    @property
    def order(self) -> tuple[str, int, int, str]:
        """The key by which blocks are read: run, task, position; content where two plans share a place."""
        return (self.run, self.task, self.position, self.content)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; lineups as lists of pairs, since the order of seats counts."""
        data = {name: getattr(self, name) for name in _PLAN}
        data["options"] = dict(self.options)
        data["roles"] = [list(pair) for pair in self.roles.items()]
        data["teams"] = [list(pair) for pair in self.teams.items()]
        data["lineups"] = [[list(pair) for pair in lineup.items()] for lineup in self.lineups]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        lineups = tuple(dict(lineup) for lineup in data["lineups"])
        seats = {"roles": dict(data["roles"]), "teams": dict(data["teams"])}
        return cls(**{**data, **seats, "lineups": lineups})


_PLAN = tuple(entry.name for entry in fields(BlockPlan))


@dataclass(frozen=True)
class SeatResult:
    """How a seat fared.

    `score` is as the arena counts, `rank` is from 1, the best; equal ranks are draws. `score` is None where
    the seat's match is void, and nowhere else.
    """

    seat: str
    role: str
    player: str
    score: float | None
    rank: int
    outcome: Outcome = "ok"

    def __post_init__(self) -> None:
        where = f"result of seat {self.seat}"
        if self.outcome not in OUTCOMES:
            raise LedgerError(
                where, got=f"outcome {self.outcome!r}", expected=f"one of {', '.join(OUTCOMES)}"
            )
        if (self.score is None) != (self.outcome == "void"):
            raise LedgerError(
                where,
                got=f"score {self.score} with outcome {self.outcome!r}",
                expected="no score exactly where void",
            )
        if self.score is not None and not math.isfinite(self.score):
            raise LedgerError(
                where,
                got=f"score {self.score}",
                expected="a finite score",
                remedy="Check the arena's scores().",
            )


@dataclass(frozen=True)
class MatchResult:
    """How a match ended; `replay` names its recorded actions, `wall_s` is for people and never compared."""

    match: int
    index: int
    seed: int
    steps: int
    seats: tuple[SeatResult, ...]
    replay: str | None = None
    wall_s: float = field(default=0.0, compare=False)

    @property
    def void(self) -> bool:
        """Whether the infrastructure failed: such a match says nothing about its players."""
        return any(seat.outcome == "void" for seat in self.seats)

    @property
    def lineup(self) -> dict[str, str]:
        """Who sat where."""
        return {seat.seat: seat.player for seat in self.seats}


@dataclass(frozen=True)
class BlockResult:
    """A block that was played to its end: its plan and the result of every match in it."""

    plan: BlockPlan
    matches: tuple[MatchResult, ...]

    def __post_init__(self) -> None:
        where = f"block {self.plan.id}"
        if tuple(m.index for m in self.matches) != tuple(range(len(self.plan.lineups))):
            raise LedgerError(
                where,
                got=f"matches {[m.index for m in self.matches]}",
                expected=f"one for each of its {len(self.plan.lineups)} rotations, in order",
            )
        for planned, match in zip(self.plan.lineups, self.matches, strict=True):
            if dict(planned) != match.lineup:
                raise LedgerError(
                    f"{where}, match {match.index}", got=f"lineup {match.lineup}", expected=f"{dict(planned)}"
                )

    @property
    def void(self) -> bool:
        """Whether some match of it is void: a block counts whole or not at all."""
        return any(match.void for match in self.matches)

    @property
    def players(self) -> frozenset[str]:
        """Who took part."""
        return frozenset(player for lineup in self.plan.lineups for player in lineup.values())

    @cached_property
    def digest(self) -> str:
        """Content hash of the plan and the results; wall time is left out of it."""
        data = self.to_json()
        for match in data["matches"]:
            del match["wall_s"]
        return content_hash(data)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        # by hand: `asdict` copies every string and number deeply, which cost more than writing to the disk
        matches = [
            {**vars(match), "seats": [dict(vars(seat)) for seat in match.seats]} for match in self.matches
        ]
        return {"plan": self.plan.to_json(), "matches": matches}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        matches = tuple(
            MatchResult(**{**match, "seats": tuple(SeatResult(**seat) for seat in match["seats"])})
            for match in data["matches"]
        )
        return cls(BlockPlan.from_json(data["plan"]), matches)


def plan_block(
    spec: Spec,
    lineup: Lineup,
    *,
    seed: int,
    run: str,
    task: int,
    position: int,
    purpose: Purpose,
    stage: str = "",
    options: Mapping[str, Any] | None = None,
    covers: Mapping[str, Sequence[str]] | None = None,
) -> BlockPlan:
    """Plan the block of a lineup; `options` default to the spec's, `covers` is as in `rotations`."""
    if set(lineup) != set(spec.seats):
        raise ConfigError(
            f"lineup in {spec.arena}",
            got=f"seats {', '.join(lineup)}",
            expected=f"seats {', '.join(spec.seats)}",
        )
    roles = {role.name: role.seats for role in spec.roles}
    return BlockPlan(
        run=run,
        task=task,
        position=position,
        arena=spec.arena,
        version=spec.version,
        options=dict(spec.options if options is None else options),
        stage=stage,
        purpose=purpose,
        seed=seed,
        roles={seat: role.name for role in spec.roles for seat in role.seats},
        lineups=rotations(lineup, roles, spec.teams, covers),
        teams={seat: team for team, seats in spec.teams.items() for seat in seats},
    )


def plan_matches(block: BlockPlan) -> list[MatchPlan]:
    """The matches of a block, one a rotation: all on the block's seed, each with a number of its own.

    The number follows from the plan without the run's name, so that a repeated run draws the same actions.
    """
    content = int(block.content, 16)
    return [
        MatchPlan(
            match=seed_of(content, index),
            block=block.id,
            index=index,
            seed=block.seed,
            arena=block.arena,
            version=block.version,
            options=block.options,
            lineup=lineup,
        )
        for index, lineup in enumerate(block.lineups)
    ]


def counted(blocks: Iterable[BlockResult]) -> list[BlockResult]:
    """The blocks that count: whole ones, in the order of their plans, however they come."""
    whole = [block for block in blocks if not block.void]
    plans = [block.plan for block in whole]
    places = [(plan.run, plan.task, plan.position) for plan in plans]
    if len(set(places)) == len(places):
        return [whole[i] for i in sorted(range(len(whole)), key=places.__getitem__)]
    # a content hash costs more than all else here: it is asked for only where two plans share a place
    return sorted(whole, key=lambda block: block.plan.order)


def rank_seats(
    scores: Mapping[str, float], faults: Sequence[str] = (), teams: Mapping[str, Sequence[str]] | None = None
) -> dict[str, int]:
    """Rank seats from 1, higher scores first; equal scores share the better rank, faults come last.

    A team is ranked by the mean score of its seats, and is at fault where one of them is.
    """
    sides = [tuple(seats) for seats in (teams or {}).values()]
    together = {seat for side in sides for seat in side}
    sides += [(seat,) for seat in scores if seat not in together]
    worth = {
        side: (not any(seat in faults for seat in side), sum(scores[seat] for seat in side) / len(side))
        for side in sides
    }
    return {
        seat: 1 + sum(len(other) for other in sides if worth[other] > worth[side])
        for side in sides
        for seat in side
    }
