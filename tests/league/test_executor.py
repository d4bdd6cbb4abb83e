"""Workers may print, fail and die: results stay what they are, and a task that can't be done is named."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from league.block import BlockPlan, plan_block
from league.executor import InlineExecutor, ProcessExecutor
from league.player import Player
from league.selfplay import scripted_player, two_sides
from league.tasks import PlayTask, PoolPlan, Task, task_from_json, task_hash
from marl.errors import ActionError, MarlError, RunError, SnapshotError
from marl.loading import ArenaRef, build

REF = ArenaRef("arenas.matrix:BiasedRPS", {"steps": 2})


def _play(first: str, second: str, blocks: int = 3) -> PlayTask:
    """A task of a few blocks between two scripted players."""
    spec = build(REF).spec
    plans: list[BlockPlan] = [
        plan_block(
            spec,
            two_sides(spec, first, second),
            seed=i,
            run="toy",
            task=0,
            position=i,
            purpose="eval",
        )
        for i in range(blocks)
    ]
    players = tuple(scripted_player(name, {}) for name in (first, second))
    return PlayTask(PoolPlan(REF.to_json(), 2, 1, 0), tuple(plans), players, greedy=True)


def _timeless(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key != "wall_s"}


def _inline(task: Task, folder: Path) -> dict[str, Any]:
    executor = InlineExecutor(folder)
    try:
        return _timeless(executor.result(executor.submit(task)))
    finally:
        executor.close()


def test_tasks_survive_json() -> None:
    """A task comes out of JSON as it went in, and where it runs is not part of its name."""
    task = _play("random", "tests.league.toys:rock")
    assert task_from_json(task.to_json()) == task
    elsewhere = PlayTask(PoolPlan(REF.to_json(), 2, 1, 3), task.blocks, task.players, greedy=True)
    assert task_hash(elsewhere) == task_hash(task)
    more = PlayTask(PoolPlan(REF.to_json(), 4, 1, 0), task.blocks, task.players, greedy=True)
    assert task_hash(more) != task_hash(task)


def test_results_come_in_any_order(tmp_path: Path) -> None:
    """Results may be asked for in another order than tasks were given, from fewer workers than tasks."""
    names = ["random", "tests.league.toys:rock", "tests.league.toys:paper"]
    tasks = [_play(name, "tests.league.toys:noisy") for name in names]
    executor = ProcessExecutor(tmp_path, 2)
    try:
        numbers = [executor.submit(task) for task in tasks]
        found = {number: _timeless(executor.result(number)) for number in reversed(numbers)}
    finally:
        executor.close()
    assert [found[number] for number in numbers] == [_inline(task, tmp_path) for task in tasks]


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    """A worker that is killed, busy or idle, is replaced, and results stay the same."""
    task = _play("random", "tests.league.toys:rock", blocks=20)
    executor = ProcessExecutor(tmp_path, 1)
    try:
        number = executor.submit(task)
        (pid,) = executor.pids()
        os.kill(pid, signal.SIGKILL)
        assert _timeless(executor.result(number)) == _inline(task, tmp_path)
        assert executor.pids() != [pid]
        # and one that is idle when it dies
        os.kill(executor.pids()[0], signal.SIGKILL)
        assert _timeless(executor.result(executor.submit(task))) == _inline(task, tmp_path)
    finally:
        executor.close()


def test_a_worker_that_dies_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies while it plays leaves nothing behind that the next one could stumble over."""
    monkeypatch.setenv("MARL_TEST_MARK", str(tmp_path / "died"))
    task = _play("random", "tests.league.toys:deadly_once")
    executor = ProcessExecutor(tmp_path, 1)
    try:
        result = _timeless(executor.result(executor.submit(task)))
    finally:
        executor.close()
    assert (tmp_path / "died").is_dir()
    assert result == _inline(task, tmp_path)


def test_a_deadly_task_is_named(tmp_path: Path) -> None:
    """A task whose workers die of it is given up after three of them; others are done."""
    executor = ProcessExecutor(tmp_path, 2)
    try:
        deadly = executor.submit(_play("random", "tests.league.toys:deadly"))
        other = executor.submit(_play("random", "tests.league.toys:rock"))
        with pytest.raises(RunError, match="3 workers that died of it, the last with exit code 9"):
            executor.result(deadly)
        assert executor.result(other)["matches"] == 6
    finally:
        executor.close()


@pytest.mark.parametrize(
    ("player", "kind", "text"),
    [
        (scripted_player("tests.league.toys:unlawful", {}), ActionError, "99"),
        (scripted_player("tests.league.toys:raising", {}), RunError, "ZeroDivisionError: of mine"),
        (
            Player(id="lost", kind="snapshot", name="lost", spec={"snapshot": "0" * 24}),
            SnapshotError,
            "0" * 24,
        ),
    ],
    ids=["illegal action", "fault of its own", "lost snapshot"],
)
@pytest.mark.timeout(90)
def test_errors_come_through(
    tmp_path: Path, player: Player, kind: type[MarlError], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """What a task raises in a worker is raised here as what it is, and the worker goes on."""
    task = _play("random", "tests.league.toys:rock")
    other = scripted_player("random", {})
    lineup = {"player_0": "random", "player_1": player.id}
    plan = plan_block(build(REF).spec, lineup, seed=1, run="toy", task=0, position=0, purpose="eval")
    faulty = PlayTask(task.pool, (plan,), (other, player), greedy=True)
    executor = ProcessExecutor(tmp_path, 1)
    try:
        number = executor.submit(faulty)
        pids = executor.pids()
        with pytest.raises(kind, match=text) as caught:
            executor.result(number)
        assert type(caught.value) is kind
        assert "\n" not in str(caught.value)
        assert executor.result(executor.submit(task))["matches"] == 6
        assert executor.pids() == pids
    finally:
        executor.close()
    assert ("Traceback" in capfd.readouterr().err) == (kind is RunError)


def test_closing_ends_what_is_busy(tmp_path: Path) -> None:
    """Closing while a worker is at work ends it at once."""
    executor = ProcessExecutor(tmp_path, 1)
    executor.submit(_play("random", "tests.league.toys:rock", blocks=2000))
    (pid,) = executor.pids()
    executor.close()
    executor.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.timeout(120)
def test_a_worker_goes_on_while_nobody_reads(tmp_path: Path) -> None:
    """It has a second task before its first result is read; tasks larger than a pipe stop neither side."""
    tasks = [_play("random", "tests.league.toys:rock", 400), _play("random", "tests.league.toys:paper", 400)]
    tasks.append(_play("tests.league.toys:rock", "tests.league.toys:paper", 400))
    executor = ProcessExecutor(tmp_path, 1)
    try:
        numbers = [executor.submit(task) for task in tasks]
        (worker,) = executor._workers
        assert list(worker.given) == numbers[:2]
        assert worker.unsent, "a pipe has no room for so much"
        found = [_timeless(executor.result(number)) for number in numbers]
    finally:
        executor.close()
    assert found == [_inline(task, tmp_path) for task in tasks]


def test_what_waits_at_a_lost_worker_is_not_blamed(tmp_path: Path) -> None:
    """The task behind one that kills its worker is done by others, however often that happens."""
    fatal, sound = _play("random", "tests.league.toys:deadly"), _play("random", "tests.league.toys:rock")
    executor = ProcessExecutor(tmp_path, 1)
    try:
        bad, good = executor.submit(fatal), executor.submit(sound)
        assert list(executor._workers[0].given) == [bad, good]
        assert _timeless(executor.result(good)) == _inline(sound, tmp_path)
        with pytest.raises(RunError, match="died of it"):
            executor.result(bad)
    finally:
        executor.close()
