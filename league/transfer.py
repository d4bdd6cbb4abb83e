"""A ledger checked, written out as lines of JSON, read in again, and joined with another one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from league import schema, totals
from league.block import BlockResult
from league.ledger import Ledger
from league.player import Player
from league.records import TaskRecord, TrainingRow
from marl.errors import LedgerError, MarlError

_BLOCKS_AT_ONCE = 500
FORMAT = "marl-ledger"


def check(ledger: Ledger) -> list[str]:
    """What is wrong with a ledger, nothing where all is well.

    Blocks and players are hashed anew, matches compared with their plans, and totals with a fold over all.
    """
    found = []
    roster = ledger.players()
    for run, tasks in ledger.runs().items():
        folded: dict[str, dict[totals.Scope, totals.Totals]] = {}
        for task in tasks:
            digests = ledger.digests(run, task)
            try:
                blocks = ledger.blocks(run=run, tasks=[task])
            except LedgerError as error:
                found.append(f"run {run}, task {task}: {error}")
                continue
            for block in blocks:
                if digests[block.plan.id] != block.digest:
                    found.append(f"block {block.plan.id}: its content is not what was recorded")
                found += [
                    f"block {block.plan.id}: player {name} is not in the roster"
                    for name in sorted(block.players - roster.keys())
                ]
            for purpose in sorted({str(block.plan.purpose) for block in blocks}):
                _gather(
                    folded.setdefault(purpose, {}),
                    totals.fold(block for block in blocks if block.plan.purpose == purpose),
                )
        for purpose, scopes in sorted(folded.items()):
            for (_, _, stage, arena), whole in sorted(scopes.items()):
                kept = ledger.totals(run, purpose, stage=stage, arena=arena)
                found += [f"totals of {run}, {purpose}: {line}" for line in totals.differences(kept, whole)]
    return found


def _gather(into: dict[totals.Scope, totals.Totals], more: dict[totals.Scope, totals.Totals]) -> None:
    """Add totals to totals."""
    for scope, entry in more.items():
        whole = into.setdefault(scope, totals.Totals())
        whole.blocks += entry.blocks
        whole.void_blocks += entry.void_blocks
        whole.roles |= entry.roles
        for pair, counts in entry.pairs.items():
            known = whole.pairs.get(pair, (0, 0, 0))
            whole.pairs[pair] = (known[0] + counts[0], known[1] + counts[1], known[2] + counts[2])
        for player, tally in entry.players.items():
            own = whole.players[player]
            for name, value in vars(tally).items():
                setattr(own, name, getattr(own, name) + value)


def export(ledger: Ledger) -> Iterator[str]:
    """A ledger as lines of JSON: a header, players (parents first), then each task with all that it found."""
    yield _line("header", {"format": FORMAT, "schema": schema.VERSION})
    for player in _parents_first(ledger.players()):
        yield _line("player", player.to_json())
    for run, numbers in ledger.runs().items():
        records = {record.index: record for record in ledger.tasks(run)}
        training: dict[int, list[TrainingRow]] = {}
        for number, row in ledger.training(run):
            training.setdefault(number, []).append(row)
        for number in numbers:
            for block in ledger.blocks(run=run, tasks=[number]):
                yield _line("block", block.to_json())
            if number in records:
                rows = [
                    asdict(row) | {"lineup": list(row.lineup.items())} for row in training.get(number, [])
                ]
                yield _line("task", asdict(records[number]) | {"training": rows})
        for event, detail in ledger.audit(run):
            yield _line("audit", {"run": run, "event": event, "detail": detail})


def read_in(ledger: Ledger, lines: Iterable[str], where: str = "export") -> int:
    """Read exported lines into a ledger; returns how many blocks were new. What is there already stays.

    `where` is what errors call the lines, beside their numbers. Raises LedgerError for lines that are none of
    an export or damaged, and where both ledgers say different things; then the ledger is as it was: blocks of
    two runs under one name would be rated together.
    """
    with ledger.together():
        return _read_in(ledger, lines, where)


def _read_in(ledger: Ledger, lines: Iterable[str], where: str) -> int:
    blocks: list[BlockResult] = []
    players: list[Player] = []
    known: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    new = 0
    for number, line in enumerate(lines, 1):
        entry = _parsed(f"{where}, line {number}", line, first=number == 1)
        if isinstance(entry, Player):
            players.append(entry)
            continue
        if players:
            ledger.add_players(players)
            players = []
        if isinstance(entry, BlockResult):
            blocks.append(entry)
        if blocks and (not isinstance(entry, BlockResult) or len(blocks) >= _BLOCKS_AT_ONCE):
            new += ledger.commit(blocks)
            blocks = []
        if isinstance(entry, _Task):
            ledger.commit_task(entry.record, training=entry.training)
        elif isinstance(entry, _Note):
            trail = known.setdefault(entry.run, ledger.audit(entry.run))
            if (entry.event, entry.detail) not in trail:
                ledger.note(entry.run, entry.event, entry.detail)
    ledger.add_players(players)
    return new + (ledger.commit(blocks) if blocks else 0)


def merge(into: Ledger, source: Ledger) -> int:
    """Read another ledger in; returns how many blocks were new."""
    return read_in(into, export(source))


@dataclass(frozen=True)
class _Task:
    record: TaskRecord
    training: list[TrainingRow]


@dataclass(frozen=True)
class _Note:
    run: str
    event: str
    detail: dict[str, Any]


_Entry = Player | BlockResult | _Task | _Note | None


def _parsed(where: str, line: str, *, first: bool) -> _Entry:
    """What a line says, None for the header; LedgerError where it is none of an export, or damaged."""
    try:
        ((kind, data),) = json.loads(line).items()
    except (ValueError, AttributeError) as error:
        raise LedgerError(where, got=line[:60].rstrip(), expected="a line of `marl ledger export`") from error
    if first != (kind == "header"):
        raise LedgerError(where, got=kind, expected="a header at the beginning, and nowhere else")
    if kind != "header" and kind not in _ENTRIES:
        raise LedgerError(where, got=kind, expected=f"one of {', '.join(_ENTRIES)}")
    try:
        if kind != "header":
            return _ENTRIES[kind](data)
        form, version = str(data["format"]), int(data["schema"])
    except (KeyError, TypeError, ValueError, AttributeError, MarlError) as error:
        got = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise LedgerError(
            where,
            got=f"a damaged {kind}: {got}",
            expected=f"a {kind} as `marl ledger export` writes it",
            remedy="Nothing was read in. Export again.",
        ) from error
    if form != FORMAT:
        raise LedgerError(where, got=f"format {form}", expected=FORMAT)
    if version > schema.VERSION:
        raise LedgerError(
            where,
            got=f"schema {version}",
            expected=f"at most {schema.VERSION}",
            remedy="Upgrade this package.",
        )
    return None


def _player(data: dict[str, Any]) -> Player:
    return msgspec.convert(Player.from_json(data).to_json(), Player)


def _block(data: dict[str, Any]) -> BlockResult:
    if data.keys() - {"plan", "matches"}:
        raise ValueError(f"fields {', '.join(data)}")
    return msgspec.convert(asdict(BlockResult.from_json(data)), BlockResult)  # for the types of its values


def _task(data: dict[str, Any]) -> _Task:
    rows = [TrainingRow(**{**row, "lineup": dict(row["lineup"])}) for row in data.pop("training")]
    return msgspec.convert(asdict(_Task(TaskRecord(**data), rows)), _Task)


def _note(data: dict[str, Any]) -> _Note:
    return msgspec.convert(asdict(_Note(**data)), _Note)


_ENTRIES: dict[str, Callable[[dict[str, Any]], _Entry]] = {
    "player": _player,
    "block": _block,
    "task": _task,
    "audit": _note,
}


def _line(kind: str, data: object) -> str:
    return json.dumps({kind: data}, separators=(",", ":"), sort_keys=False)


def _parents_first(players: dict[str, Player]) -> list[Player]:
    order: dict[str, Player] = {}

    def enter(player: Player) -> None:
        if player.parent is not None and player.parent not in order and player.parent in players:
            enter(players[player.parent])
        order.setdefault(player.id, player)

    for player in players.values():
        enter(player)
    return list(order.values())
