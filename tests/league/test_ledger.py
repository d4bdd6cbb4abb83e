"""The ledger keeps what it acknowledged, whole, in the order of the plan, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from league import schema
from league.block import BlockResult
from league.ledger import Ledger
from league.player import Player
from league.records import TaskRecord, TrainingRow
from marl.errors import LedgerError

Duel = Callable[..., BlockResult]
PLAYERS = [
    Player("hold", "scripted", "hold", {"path": "agents.scripted.trading:Hold"}, anchor=True),
    Player("ppo-1", "snapshot", "ppo", {"folder": "snapshots/1"}, roles=("trader",)),
    Player("ppo-2", "snapshot", "ppo", {"folder": "snapshots/2"}, roles=("trader",), parent="ppo-1"),
]


@pytest.fixture
def ledger(where: str) -> Iterator[Ledger]:
    """An open ledger with a roster."""
    with Ledger.open(where) as opened:
        opened.add_players(PLAYERS)
        yield opened


def test_what_is_committed_comes_back_equal(ledger: Ledger, where: str, duel: Duel) -> None:
    """Blocks, players, tasks, training rows and notes are read back as written, by another reader."""
    blocks = [duel("ppo-1", "hold", 1, 0.5, position=i, purpose="gate", stage="easy") for i in range(3)]
    task = TaskRecord("test", 0, "play", "abc", {"blocks": 3, "rate": 0.75})
    row = TrainingRow("ppo-1", {"s_1": "ppo-1", "s_0": "hold"}, "easy", 8, 0.25, 1.5, 5, 1, 2)
    assert ledger.commit_task(task, blocks, [row])
    ledger.note("test", "disabled", {"player": "ppo-1"})
    with Ledger.open(where, create=False) as reader:
        assert reader.blocks() == blocks
        assert [m.wall_s for m in reader.blocks()[2].matches] == [0.5, 0.5]
        assert list(reader.players().values()) == PLAYERS
        assert reader.task("test", 0) == task
        assert reader.task("test", 1) is None
        assert reader.training("test") == [(0, row)]
        assert list(reader.training("test")[0][1].lineup) == ["s_1", "s_0"]
        assert reader.audit("test") == [("disabled", {"player": "ppo-1"})]


def test_reading_order_is_the_plan_not_the_clock(ledger: Ledger, duel: Duel) -> None:
    """However blocks are written, they are read by task and position."""
    blocks = [duel("ppo-1", "hold", 1, 0, position=i % 4, task=i // 4) for i in range(12)]
    for i in np.random.default_rng(3).permutation(len(blocks)):
        ledger.commit([blocks[i]])
    assert ledger.blocks() == blocks


def test_blocks_are_found_by_what_they_are_for(ledger: Ledger, duel: Duel) -> None:
    """Each filter leaves exactly the blocks that fit."""
    gate = duel("ppo-1", "hold", 1, purpose="gate", stage="easy", run="a")
    final = duel("ppo-1", "hold", 1, purpose="tournament", stage="hard", run="b", task=7, arena="other")
    ledger.commit([gate, final])
    filters: list[dict[str, Any]] = [
        {"purpose": "gate"},
        {"stage": "easy"},
        {"run": "a"},
        {"arena": "toy"},
        {"tasks": [0]},
    ]
    for wanted in filters:
        assert ledger.blocks(**wanted) == [gate], wanted
    assert ledger.blocks(run="a", stage="hard") == []
    assert ledger.has_block(gate.plan.id)
    assert not ledger.has_block("0" * 16)


def test_writing_again_is_nothing_new(ledger: Ledger, duel: Duel) -> None:
    """A recorded block may be committed again, alone or in a group; its wall time may differ."""
    block, other = duel("ppo-1", "hold", 1, 0), duel("ppo-1", "hold", 1, 0, position=1)
    slower = BlockResult(block.plan, tuple(replace(match, wall_s=9.0) for match in block.matches))
    assert ledger.commit([block]) == 1
    assert ledger.commit([slower, other, other]) == 1
    assert ledger.blocks() == [block, other]
    task = TaskRecord("test", 0, "play", "abc", {"x": 1})
    assert ledger.commit_task(task)
    assert not ledger.commit_task(task)
    ledger.add_players(PLAYERS)
    assert len(ledger.players()) == len(PLAYERS)


def test_contradictions_are_errors_and_leave_no_trace(ledger: Ledger, duel: Duel) -> None:
    """Other content under a taken name is refused, and nothing of its group is written."""
    block, other = duel("ppo-1", "hold", 1, 0), duel("ppo-1", "hold", 1, 0, position=1)
    won = duel("ppo-1", "hold", 1, 1)
    assert won.plan.id == block.plan.id
    ledger.commit([block])
    with pytest.raises(LedgerError, match=block.plan.id):
        ledger.commit([other, won])
    assert ledger.blocks() == [block]
    with pytest.raises(LedgerError, match="player hold"):
        ledger.add_players([replace(PLAYERS[0], name="sell")])
    ledger.commit_task(TaskRecord("test", 0, "play", "abc", {"x": 1}))
    with pytest.raises(LedgerError, match="task 0 of run test"):
        ledger.commit_task(TaskRecord("test", 0, "play", "abc", {"x": 2}), [other])
    assert ledger.blocks() == [block]


def test_a_task_is_recorded_with_its_blocks_or_not_at_all(ledger: Ledger, duel: Duel) -> None:
    """A task whose blocks name an unknown player leaves neither itself nor its blocks behind."""
    with pytest.raises(LedgerError):
        ledger.commit_task(TaskRecord("test", 0, "play", "abc", {}), [duel("ppo-1", "nobody", 1)])
    assert ledger.tasks("test") == []
    assert ledger.blocks() == []


def test_a_newer_schema_is_one_clear_error(where: str) -> None:
    """A ledger of a newer version is refused before anything is read."""
    Ledger.open(where).close()
    engine = schema.connect(where)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(sa.update(schema.meta).values(value=str(schema.VERSION + 1)))
    engine.dispose()
    with pytest.raises(LedgerError) as caught:
        Ledger.open(where)
    assert caught.value.got == f"schema {schema.VERSION + 1}"
    assert caught.value.expected == f"schema {schema.VERSION}"
    assert "Upgrade" in caught.value.remedy


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    """A missing file or folder, a text file, another data base and other URLs each give a LedgerError."""
    missing, text, other = tmp_path / "missing.db", tmp_path / "text.db", tmp_path / "other.db"
    text.write_text("not a data base " * 100)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    with pytest.raises(LedgerError, match="no such file"):
        Ledger.open(missing, create=False)
    assert not missing.exists()
    for path in (text, other, tmp_path / "no" / "such" / "folder.db", "mysql://host/name", "tcp://:x"):
        with pytest.raises(LedgerError):
            Ledger.open(path)


def test_a_password_is_not_shown() -> None:
    """An unreachable server is an error that does not print its password."""
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: pip install 'marl-league[postgres]'")
    with pytest.raises(LedgerError) as caught:
        Ledger.open("postgresql://someone:secret@127.0.0.1:1/none?connect_timeout=2")
    assert "secret" not in str(caught.value)


WRITER = """
import sys
sys.path.insert(0, {root!r})
from league.block import BlockResult
from league.ledger import Ledger
import json
start = int(sys.argv[2])
plain = json.loads(sys.stdin.readline())
with Ledger.open(sys.argv[1]) as ledger:
    for group in range(start, start + 10_000):
        blocks = []
        for position in range(group * 4, group * 4 + 4):
            plain["plan"]["position"] = position
            blocks.append(BlockResult.from_json(plain))
        ledger.commit(blocks)
        print(group, flush=True)
"""


def test_a_killed_writer_leaves_whole_blocks_only(tmp_path: Path, duel: Duel) -> None:
    """After each of ten kill -9, what was acknowledged is there, and every block is whole."""
    path, root = tmp_path / "ledger.db", str(Path(__file__).parents[2])
    rng = np.random.default_rng(5)
    with Ledger.open(path) as ledger:
        ledger.add_players(PLAYERS)
    plain = json.dumps(duel("ppo-1", "hold", 1, 0.5, 0, 1).to_json()) + "\n"
    start = 0
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER.format(root=root), str(path), str(start)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            writer.stdin.write(plain)
            writer.stdin.flush()
            for _ in range(int(rng.integers(1, 6))):
                acknowledged = int(writer.stdout.readline())
            for _ in range(int(rng.integers(0, 200_000))):
                pass  # some moment within a commit
            writer.kill()
        with Ledger.open(path) as ledger:
            blocks = ledger.blocks()
        groups = len(blocks) // 4
        assert len(blocks) % 4 == 0, "a group is committed whole"
        assert groups > acknowledged
        assert [block.plan.position for block in blocks] == list(range(len(blocks)))
        start = groups
    with sqlite3.connect(path) as connection:
        counts = connection.execute(
            "SELECT * FROM (SELECT count(*) FROM blocks)"
            ", (SELECT count(*) FROM matches), (SELECT count(*) FROM seats)"
        ).fetchone()
    connection.close()
    assert counts == (len(blocks), 4 * len(blocks), 8 * len(blocks))
