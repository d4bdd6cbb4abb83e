"""A ledger checked, written out as lines of JSON, read in again, and joined with another one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from league import schema, totals
from league.block import BlockResult
from league.ledger import Ledger
from league.player import Player
from league.records import TaskRecord, TrainingRow
from marl.errors import LedgerError

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


def read_in(ledger: Ledger, lines: Iterable[str]) -> int:
    """Read exported lines into a ledger; returns how many blocks were new. What is there already stays.

    Raises LedgerError for lines that are none of an export, and where both ledgers say different things; then
    the ledger is as it was: blocks of two runs under one name would be rated together.
    """
    with ledger.together():
        return _read_in(ledger, lines)


def _read_in(ledger: Ledger, lines: Iterable[str]) -> int:
    blocks: list[BlockResult] = []
    players: list[Player] = []
    known: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    new = 0
    for number, line in enumerate(lines, 1):
        kind, data = _parsed(number, line)
        if kind == "player":
            players.append(Player.from_json(data))
            continue
        if players:
            ledger.add_players(players)
            players = []
        if kind == "block":
            blocks.append(BlockResult.from_json(data))
        if blocks and (kind != "block" or len(blocks) >= _BLOCKS_AT_ONCE):
            new += ledger.commit(blocks)
            blocks = []
        if kind == "task":
            rows = [TrainingRow(**{**row, "lineup": dict(row["lineup"])}) for row in data.pop("training")]
            ledger.commit_task(TaskRecord(**data), training=rows)
        elif kind == "audit":
            trail = known.setdefault(data["run"], ledger.audit(data["run"]))
            entry = (data["event"], data["detail"])
            if entry not in trail:
                ledger.note(data["run"], *entry)
    ledger.add_players(players)
    return new + (ledger.commit(blocks) if blocks else 0)


def merge(into: Ledger, source: Ledger) -> int:
    """Read another ledger in; returns how many blocks were new."""
    return read_in(into, export(source))


def _parsed(number: int, line: str) -> tuple[str, dict[str, Any]]:
    try:
        (kind, data) = json.loads(line).popitem()
    except (ValueError, AttributeError, KeyError) as error:
        raise LedgerError(
            f"line {number}", got=line[:60], expected="a line of `marl ledger export`"
        ) from error
    if (number == 1) != (kind == "header"):
        raise LedgerError(f"line {number}", got=kind, expected="a header at the beginning, and nowhere else")
    if kind == "header" and data.get("format") != FORMAT:
        raise LedgerError("line 1", got=f"format {data.get('format')}", expected=FORMAT)
    if kind == "header" and data["schema"] > schema.VERSION:
        raise LedgerError(
            "line 1",
            got=f"schema {data['schema']}",
            expected=f"at most {schema.VERSION}",
            remedy="Upgrade this package.",
        )
    return kind, data


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
