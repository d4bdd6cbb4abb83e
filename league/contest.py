"""A tournament of any format as a plan: meetings become tasks, results become the format's rounds."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from league.block import BlockPlan, BlockResult, plan_block
from league.conduct import Conduct
from league.formats import Format, Meeting, Met, conclude, walkover
from league.tasks import PlayTask, Task
from marl.rng import seed_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from league.config import LeagueSettings
    from league.cooperation import Scenario
    from league.formats import Round
    from league.player import Player
    from league.requests import Requests
    from league.schedule import Done
    from marl.spec import Spec


@dataclass
class _Slot:
    """A meeting of the current round; its blocks come in one task, or its end without any."""

    meeting: Meeting
    met: Met | None = None


@dataclass
class _Sent:
    """The meetings of a task, each with the positions of its blocks there."""

    slots: list[_Slot] = field(default_factory=list)
    ranges: list[range] = field(default_factory=list)


class Contest:
    """Keeps `schedule.Plan`. `rounds` are complete rounds, `blocks` all results so far, in order.

    Small meetings of one round share a task until they fill the pool's copies; a meeting with an external
    player has a task of its own, after the others. Seeds follow from how often the same players met: every
    pair is judged on the same ones.
    """

    def __init__(
        self,
        settings: LeagueSettings,
        spec: Spec,
        form: Format,
        entrants: Sequence[Player],
        *,
        background: Sequence[Player] = (),
        fewer: Mapping[str, int] | None = None,
        requests: Requests | None = None,
    ) -> None:
        """`fewer` names players that play fewer blocks a meeting; `requests` are changes of the field.

        `background` are players that only fill seats beside those who are tested.
        """
        assert settings.tournament is not None  # the caller looked
        self._settings, self._rules, self._spec, self.form = settings, settings.tournament, spec, form
        self._fewer, self._requests = dict(fewer or {}), requests
        self.roster = {player.id: player for player in entrants}
        self._background = {player.id: player for player in background}
        self.gone: dict[str, str] = {}
        self.rounds: list[Round] = []
        self.blocks: list[BlockResult] = []
        self._conduct = Conduct(settings.tournament.faults)
        self._probation: set[str] = set()
        self._round: list[_Slot] = []
        self._queue: deque[_Slot] = deque()
        self._sent: dict[int, _Sent] = {}
        self._met: Counter[tuple[frozenset[str], str]] = Counter()
        self._entered: set[str] = set()
        self._planned = self._matches = 0
        self._pool = settings.pool_plan()

    @property
    def entrants(self) -> list[Player]:
        """All that ever entered, in the order of seeding."""
        return list(self.roster.values())

    @property
    def expected_matches(self) -> int:
        """All matches that are planned so far; of meetings that wait, as many as those before had a block."""
        waiting = sum(self._count(slot.meeting) for slot in self._queue)
        return self._matches + round(waiting * self._matches / max(1, self._planned))

    def next(self, index: int) -> Task | None:
        """The next meetings that fit into a task."""
        if self._requests is not None:
            for event, player in self._requests.at(index):
                if event == "left":
                    self.gone.setdefault(player.id, "left")
                else:
                    self.roster.setdefault(player.id, player)
                    self.gone.pop(player.id, None)
        while True:
            self._walk_over()
            if self._queue:
                return self._task(index)
            if any(slot.met is None for slot in self._round):
                return None
            if self._round:
                self.rounds.append(tuple(slot.met for slot in self._round if slot.met is not None))
            meetings = self.form.next_round(list(self.roster), frozenset(self.gone), self.rounds)
            self._round = [_Slot(meeting) for meeting in meetings]
            self._queue.extend(sorted(self._round, key=lambda slot: self._external(slot.meeting)))
            if not meetings:
                return None

    def take(self, done: Done) -> Sequence[Player]:
        """Take a task's results; returns those of its players that are new to the roster."""
        self.blocks.extend(done.blocks)
        sent = self._sent.pop(done.index)
        for slot, places in zip(sent.slots, sent.ranges, strict=True):
            slot.met = conclude(slot.meeting, (b for b in done.blocks if b.plan.position in places))
        self._conduct.take(done.blocks)
        names = list(dict.fromkeys(name for slot in sent.slots for name in slot.meeting.players))
        self._judge(done, names)
        # all of the first field come at once, whoever meets first
        known = [*self.entrants, *self._background.values()]
        new = list({player.id: player for player in known if player.id not in self._entered}.values())
        self._entered.update(player.id for player in new)
        return new

    def _judge(self, done: Done, names: Sequence[str]) -> None:
        """Put on probation or disqualify who has to be; tell of void matches."""
        for block in done.blocks:
            if block.void:
                self._note("void", {"task": done.index, "block": block.plan.id})
        for name in names:
            standing, reason = self._conduct.judge(name)
            detail = {"task": done.index, "player": name, "reason": reason}
            if standing == "disqualified" and name not in self.gone:
                self.gone[name] = f"disqualified: {reason}"
                self._note("disqualified", detail)
            elif standing == "probation" and name not in self._probation:
                self._probation.add(name)
                self._note("probation", detail)

    def _note(self, event: str, detail: dict[str, object]) -> None:
        if self._requests is not None:
            self._requests.note(event, detail)

    def _walk_over(self) -> None:
        """End what can't be played: meetings with somebody who is gone, and rests."""
        gone = frozenset(self.gone)
        while self._queue and not self._playable(self._queue[0].meeting, gone):
            slot = self._queue.popleft()
            slot.met = walkover(slot.meeting, gone)

    @staticmethod
    def _playable(meeting: Meeting, gone: frozenset[str]) -> bool:
        return len(meeting.players) > 1 and not gone & {*meeting.players}

    def _task(self, index: int) -> PlayTask:
        """The first meetings of the queue: one, or more until they fill the copies."""
        sent = self._sent[index] = _Sent()
        plans: list[BlockPlan] = []
        names: dict[str, Player] = {}
        while self._queue:
            meeting = self._queue[0].meeting
            alone = self._external(meeting)
            matches = sum(len(plan.lineups) for plan in plans)
            if plans and (alone or matches >= self._settings.pool.copies):
                break
            slot = self._queue.popleft()
            start = len(plans)
            plans += [self._block(index, meeting, start + i, start) for i in range(self._count(meeting))]
            self._met[_key(meeting)] += len(plans) - start
            sent.slots.append(slot)
            sent.ranges.append(range(start, len(plans)))
            names |= {name: self._player(name) for name in meeting.players}
            if alone:
                break
            self._walk_over()
        self._planned += len(plans)
        self._matches += sum(len(plan.lineups) for plan in plans)
        return PlayTask(self._pool, tuple(plans), tuple(names.values()), self._rules.greedy)

    def _count(self, meeting: Meeting) -> int:
        return min([meeting.blocks, *(self._fewer[name] for name in meeting.players if name in self._fewer)])

    def _external(self, meeting: Meeting) -> bool:
        return any(self._player(name).kind == "external" for name in meeting.players)

    def _player(self, name: str) -> Player:
        return self.roster[name] if name in self.roster else self._background[name]

    def _block(self, index: int, meeting: Meeting, position: int, start: int) -> BlockPlan:
        number = self._met[_key(meeting)] + position - start
        if meeting.scenario is not None:
            return self._scene(index, meeting, meeting.scenario, position, number)
        # where rotation can't exchange the players, blocks take the orders of the table in turn
        table = turned(meeting.players, number)
        wanted = seated(self._spec, table)
        for players in (meeting.players, meeting.players[::-1]):
            plan = self._plan(index, position, number, seated(self._spec, players), meeting)
            if wanted in [dict(lineup) for lineup in plan.lineups]:
                return plan
        return self._plan(index, position, number, wanted, meeting)

    def _scene(
        self, index: int, meeting: Meeting, scenario: Scenario, position: int, number: int
    ) -> BlockPlan:
        """A block of a scenario: one match, with the same background on the same seed whoever is tested."""
        rng = np.random.default_rng([seed_of(self._rules.seed, number), int(scenario.digest, 16)])
        lineup = scenario.lineup(self._spec, meeting.players[:1], rng)
        plan = self._plan(index, position, number, lineup, meeting)
        return replace(plan, lineups=(lineup,), stage=f"scenario {scenario.name}")

    def _plan(
        self, index: int, position: int, number: int, lineup: Mapping[str, str], meeting: Meeting
    ) -> BlockPlan:
        roles = [role.name for role in self._spec.roles]
        return plan_block(
            self._spec,
            lineup,
            seed=seed_of(self._rules.seed, number),
            run=self._settings.name,
            task=index,
            position=position,
            purpose="tournament",
            stage="tournament",
            options=self._settings.tournament_options(),
            covers={name: self._player(name).roles or roles for name in meeting.players},
        )


def _key(meeting: Meeting) -> tuple[frozenset[str], str]:
    """Meetings that count as the same: those of the same players in the same scenario."""
    return frozenset(meeting.players), "" if meeting.scenario is None else meeting.scenario.digest


def turned(players: Sequence[str], number: int) -> tuple[str, ...]:
    """The order of a table in its block of that number.

    Every other block has it reversed, and of three or more every other pair of blocks begins one further on:
    where there are more seats than players, each holds the more seats equally often.
    """
    start = number // 2 % len(players) if len(players) > 2 else 0
    order = (*players[start:], *players[:start])
    return order if number % 2 == 0 else order[::-1]


def seated(spec: Spec, players: Sequence[str]) -> dict[str, str]:
    """A lineup of a table: teams (or single seats, where there are none) taken in turn by its players.

    Where all seats are of one team, the seats themselves are taken in turn: partners in a cooperative arena.
    """
    sides = list(spec.teams.values())
    if len(sides) < 2:
        sides = [(seat,) for seat in spec.seats]
    holder = {seat: players[i % len(players)] for i, seats in enumerate(sides) for seat in seats}
    return {seat: holder[seat] for seat in spec.seats}
