"""Totals kept with every commit are those of a fold over all blocks, and give the same ratings at once."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from league import schema, totals
from league.block import BlockResult
from league.ledger import Ledger
from league.live import quick_standings
from league.player import Player
from league.rating import Standings, rate
from league.records import TaskRecord, TrainingRow
from league.transfer import check, export, merge, read_in
from marl.errors import LedgerError
from tests.league.many_rows import run_of

Make = Callable[..., BlockResult]
PLAYERS = [Player(name, "scripted", name) for name in ("a", "b", "c", "d")]


def _blocks(duel: Make, block_of: Make, count: int = 24) -> list[BlockResult]:
    rng = np.random.default_rng(1)
    pairs = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]
    blocks = [
        duel(*pairs[i % 4], *rng.choice([0, 0.5, 1], 2), position=i, task=i // 6, purpose="tournament")
        for i in range(count)
    ]
    lineup = {"s_0": "a", "s_1": "b", "s_2": "c"}
    scores = dict(zip(lineup, rng.random(3).tolist(), strict=True))
    return [*blocks, block_of([lineup], [scores], position=99, task=9, purpose="tournament")]


@pytest.fixture
def ledger(where: str, duel: Make, block_of: Make) -> Iterator[Ledger]:
    """A ledger of either kind with a few tasks, committed in groups."""
    with _filled(where, duel, block_of) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path, duel: Make, block_of: Make) -> Iterator[Ledger]:
    """The same in `ledger.db`."""
    with _filled(str(tmp_path / "ledger.db"), duel, block_of) as opened:
        yield opened


@contextmanager
def _filled(where: str, duel: Make, block_of: Make) -> Iterator[Ledger]:
    with Ledger.open(where) as opened:
        opened.add_players(PLAYERS)
        blocks = _blocks(duel, block_of)
        for task in sorted({block.plan.task for block in blocks}):
            group = [block for block in blocks if block.plan.task == task]
            row = TrainingRow("a", {"s_0": "a", "s_1": "b"}, "", 3, 0.5, 0.25, 1, 1, 1)
            opened.commit_task(TaskRecord("test", task, "play", f"h{task}", {"n": len(group)}), group, [row])
        opened.note("test", "probation", {"player": "d"})
        yield opened


def test_totals_are_those_of_a_fold(ledger: Ledger) -> None:
    """Whatever was committed in which groups, twice or once."""
    blocks = ledger.blocks()
    kept = ledger.totals("test", "tournament")
    (folded,) = totals.fold(blocks).values()
    assert totals.differences(kept, folded) == []
    ledger.commit(blocks)
    assert totals.differences(ledger.totals("test", "tournament"), folded) == []
    assert ledger.totals("test", "gate").blocks == 0


def test_ratings_from_totals_are_those_of_the_fit(ledger: Ledger) -> None:
    """Point estimates to a millionth of an Elo point; the rest of the row is the same."""
    full = rate(ledger.blocks(), np.random.default_rng(0), anchors={"a": 0.0}, resamples=200)
    kept = ledger.totals("test", "tournament")
    quick = quick_standings(kept, anchors={"a": 0.0})
    for one, two in zip(quick.rows, full.rows, strict=True):
        assert (one.player, one.rank, one.matches, one.blocks) == (
            two.player,
            two.rank,
            two.matches,
            two.blocks,
        )
        assert one.rating == pytest.approx(two.rating, abs=1e-6)
        assert one.win_rate == pytest.approx(two.win_rate)
        assert one.mean_score == pytest.approx(two.mean_score)
        assert one.low is None
    assert quick.seat_effects == pytest.approx(full.seat_effects, abs=1e-6)


def test_intervals_come_from_the_last_fit(ledger: Ledger, duel: Make) -> None:
    """A kept fit lends its intervals; a newcomer has none."""
    fitted = rate(ledger.blocks(), np.random.default_rng(0), anchors={"a": 0.0}, resamples=200)
    assert ledger.last_fit("test", "tournament") is None
    ledger.keep_fit("test", "tournament", fitted)
    ledger.keep_fit("test", "tournament", fitted)
    last = ledger.last_fit("test", "tournament")
    assert last == Standings.from_json(json.loads(json.dumps(fitted.to_json())))
    same = quick_standings(ledger.totals("test", "tournament"), anchors={"a": 0.0}, last=last)
    for one, two in zip(same.rows, fitted.rows, strict=True):
        assert (one.low, one.high) == pytest.approx((two.low, two.high), abs=1e-5)
        assert (one.rank_low, one.rank_high) == (two.rank_low, two.rank_high)
    ledger.add_players([Player("new", "scripted", "new")])
    ledger.commit([duel("new", "a", 1, 0, position=200, task=20, purpose="tournament")])
    more = quick_standings(ledger.totals("test", "tournament"), anchors={"a": 0.0}, last=last)
    fresh = {row.player: row for row in more.rows}
    assert fresh["new"].low is None
    assert fresh["b"].low is not None


def test_a_ledger_of_version_1_is_upgraded(file: Ledger, tmp_path: Path) -> None:
    """Opened to be written it gets its totals; opened to be read it says how to be upgraded."""
    old = tmp_path / "old.db"
    with sqlite3.connect(tmp_path / "ledger.db") as source, sqlite3.connect(old) as target:
        source.backup(target)
    target.close()
    source.close()
    engine = schema.connect(old)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        for table in (schema.pair_totals, schema.player_totals, schema.scope_totals, schema.fits):
            table.drop(connection)
        connection.execute(sa.update(schema.meta).values(value="1"))
    engine.dispose()
    with pytest.raises(LedgerError, match="marl ledger upgrade"):
        Ledger.open(old, create=False)
    with Ledger.open(old) as upgraded:
        assert upgraded.blocks() == file.blocks()
        kept, before = upgraded.totals("test", "tournament"), file.totals("test", "tournament")
        assert totals.differences(kept, before) == []
        assert check(upgraded) == []
    Ledger.open(old, create=False).close()


def test_what_is_exported_can_be_read_in(ledger: Ledger, tmp_path: Path) -> None:
    """An export read into an empty ledger is the same ledger; read in twice it is nothing new."""
    lines = list(export(ledger))
    with Ledger.open(tmp_path / "copy.db") as copy:
        assert read_in(copy, lines) == len(ledger.blocks())
        assert read_in(copy, lines) == 0
        assert list(export(copy)) == lines
        assert copy.training("test") == ledger.training("test")
        assert check(copy) == []


def test_ledgers_are_merged_unless_they_contradict(ledger: Ledger, tmp_path: Path, duel: Make) -> None:
    """Another run's blocks join; another content under a known name is refused."""
    with Ledger.open(tmp_path / "other.db") as other:
        other.add_players(PLAYERS)
        other.commit([duel("a", "b", 1, 1, run="elsewhere", purpose="tournament")])
        assert merge(ledger, other) == 1
        assert sorted(ledger.runs()) == ["elsewhere", "test"]
        assert check(ledger) == []
    with Ledger.open(tmp_path / "bad.db") as bad:
        bad.add_players([Player("a", "scripted", "another a")])
        with pytest.raises(LedgerError, match="player a"):
            merge(ledger, bad)


def test_a_refused_merge_leaves_nothing(ledger: Ledger, tmp_path: Path, duel: Make) -> None:
    """Another run of the same name is refused at its task, and neither its blocks nor its players stay."""
    ledger.commit_task(TaskRecord("again", 0, "play", "one", {}))
    before = list(export(ledger))
    with Ledger.open(tmp_path / "other.db") as other:
        player = Player("stranger", "scripted", "stranger")
        block = duel("stranger", "b", 1, 1, run="again", purpose="tournament", position=77)
        other.commit_task(TaskRecord("again", 0, "play", "two", {}), [block], players=[*PLAYERS, player])
        with pytest.raises(LedgerError, match=r"task 0 of run again.*--set name=NAME"):
            merge(ledger, other)
    assert list(export(ledger)) == before
    ledger.commit([duel("a", "b", 1, 1, run="afterwards")])
    assert "afterwards" in ledger.runs()


def test_damage_is_found(file: Ledger, tmp_path: Path) -> None:
    """A changed score, a changed total: `check` names the block and the table."""
    assert check(file) == []
    with sqlite3.connect(tmp_path / "ledger.db") as raw:
        raw.execute("UPDATE pair_totals SET wins = wins + 1 WHERE first = 'a' AND second = 'b'")
        raw.execute("UPDATE seats SET score = score + 1 WHERE place = 0 AND \"index\" = 0 AND player = 'c'")
    raw.close()
    found = check(file)
    assert any("is not what was recorded" in line for line in found)
    assert any("'a', 'b'" in line for line in found)


@pytest.mark.parametrize("line", ["nonsense", '{"block": {}}', '{"header": {"format": "other"}}', "[1]"])
def test_what_is_no_export_is_refused(ledger: Ledger, line: str) -> None:
    """The line is named."""
    with pytest.raises(LedgerError, match="line 1"):
        read_in(ledger, [line])


@pytest.mark.parametrize(
    "change",
    [
        lambda entry: entry.clear(),
        lambda entry: entry.pop(next(iter(entry))),
        lambda entry: entry.update(more=1),
        lambda entry: entry.update(dict.fromkeys(entry, 0)),
    ],
)
@pytest.mark.parametrize("kind", ["player", "block", "task", "audit"])
def test_a_damaged_line_is_named_and_nothing_is_read(
    ledger: Ledger, tmp_path: Path, kind: str, change: Callable[[dict[str, object]], object]
) -> None:
    """Fields that are missing, unknown or of another type: one error with file and line."""
    ledger.commit_task(TaskRecord("again", 0, "play", "one", {}))
    ledger.note("again", "probation", {"task": 0})
    lines = list(export(ledger))
    number = max(i for i, line in enumerate(lines) if kind in json.loads(line))
    entry = json.loads(lines[number])
    change(entry[kind])
    lines[number] = json.dumps(entry)
    with Ledger.open(tmp_path / "copy.db") as copy:
        with pytest.raises(LedgerError, match=rf"spring.jsonl, line {number + 1}: .*{kind}"):
            read_in(copy, lines, "spring.jsonl")
        assert not copy.players()
        assert not copy.runs()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_million_seat_rows_have_standings_within_a_second(tmp_path: Path) -> None:
    """A fresh process rates 100 players from a ledger of 10 million seat rows in less than a CPU second."""
    run_of(tmp_path / "run", 10_000_000)
    script = (
        "import sys, time; from pathlib import Path; from league.runs import Run\n"
        "from league.live import quick_of\n"
        "began = time.process_time()\n"
        "with Run.open(Path(sys.argv[1])) as run:\n"
        "    table = quick_of(run, 'tournament')\n"
        "print(time.process_time() - began, len(table.rows))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    seconds, rows = done.stdout.split()
    assert int(rows) == 100
    assert float(seconds) < 1
