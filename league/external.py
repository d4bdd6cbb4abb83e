"""Players that come in over a socket, for as long as they play: gateway, tokens, processes, policies."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import marl
from league.tasks import PlayTask
from league.workshop import Workshop
from marl.errors import GatewayError
from marl.gateway import Gateway, TimeControl, new_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from league.config import ExternalSettings, TournamentSettings
    from league.executor import Executor
    from league.tasks import Task
    from marl.spec import Spec

_LOOK_EVERY_S = 0.5


class Externals:
    """A gateway and the agents that are expected at it; commands are started here and ended with it.

    Raises GatewayError where the gateway can't be bound, or an agent does not come in time.
    """

    def __init__(self, spec: Spec, rules: TournamentSettings, told: Callable[[str], None]) -> None:
        self._expected = rules.external
        self._told = told
        self._folder = tempfile.TemporaryDirectory(prefix="marl-tokens-")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        tokens = {entry.name: new_token() for entry in rules.external}
        try:
            time_control = TimeControl(move_s=rules.gateway.move_ms / 1000)
            self.gateway = Gateway(spec, tokens, bind=rules.gateway.bind, time_control=time_control)
        except BaseException:
            self._folder.cleanup()
            raise
        try:
            for entry in rules.external:
                self._invite(entry, tokens[entry.name])
            for entry in rules.external:
                self._wait_for(entry)
        except BaseException:
            self.close()
            raise

    def policies(self) -> dict[str, Any]:
        """A policy for each of them."""
        return {entry.name: self.gateway.policy(entry.name) for entry in self._expected}

    def close(self) -> None:
        """End the gateway, and the processes that were started for it; safe to call twice."""
        self.gateway.close()
        for process in self._processes.values():
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _invite(self, entry: ExternalSettings, token: str) -> None:
        # the folder is nobody else's: on a command line everybody could read the token
        file = Path(self._folder.name) / f"{self._expected.index(entry)}.token"
        file.write_text(token, encoding="utf-8")
        address = self.gateway.address
        if not entry.command:
            self._told(
                f"waiting {entry.wait_s:g} s for {entry.name}: marl join {address} AGENT --token @{file}"
            )
            return
        root = str(Path(marl.__file__).parent.parent)
        words = {"python": sys.executable, "address": address, "token": f"@{file}", "root": root}
        command = [_filled(part, words) for part in entry.command]
        try:
            # a session of its own: Ctrl-C is for the league, which ends it in good order
            self._processes[entry.name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise GatewayError(
                f"external player {entry.name}",
                got=f"{command[0]}: {error.strerror}",
                expected="a command that starts its agent",
            ) from error

    def _wait_for(self, entry: ExternalSettings) -> None:
        end_s = time.monotonic() + entry.wait_s
        process = self._processes.get(entry.name)
        while True:
            left_s = end_s - time.monotonic()
            # where its process is ours, its death is noticed before the time is over
            patience_s = left_s if process is None else min(left_s, _LOOK_EVERY_S)
            try:
                standing = self.gateway.wait_for(entry.name, max(patience_s, 0.0))
            except GatewayError:
                ended = process is not None and process.poll() is not None
                if patience_s < left_s and not ended:
                    continue
                code = process.returncode if process is not None else None
                raise GatewayError(
                    f"external player {entry.name}",
                    got=f"a command that ended with exit code {code} before its agent came in"
                    if ended
                    else f"no agent that was ready at {self.gateway.address} within {entry.wait_s:g} s",
                    expected="an agent that joins with its token, and plays",
                    remedy="What was played is recorded: resume the run when it can come.",
                ) from None
            called = f" as {standing.agent}" if standing.agent else ""
            self._told(f"{entry.name} has joined at {self.gateway.address}{called}")
            return


class WithExternals:
    """An executor that plays tasks with external players in this process, and hands the others on.

    The gateway is opened when the first such task's turn has come: what is recorded needs nobody to come.
    """

    def __init__(self, inner: Executor, folder: Path, open_gateway: Callable[[], Externals]) -> None:
        self._inner, self._folder, self._open_gateway = inner, folder, open_gateway
        self._tasks: dict[int, Task] = {}
        self._externals: Externals | None = None
        self._workshop: Workshop | None = None

    @property
    def aside(self) -> bool:
        """As the executor that most tasks are handed on to."""
        return self._inner.aside

    def submit(self, task: Task) -> int:
        """Keep a task with an external player until its result is asked for."""
        if isinstance(task, PlayTask) and any(player.kind == "external" for player in task.players):
            number = -len(self._tasks) - 1
            # slots elsewhere are the workers'
            elsewhere = not isinstance(task.pool.hosts, int | str)
            self._tasks[number] = replace(task, pool=replace(task.pool, hosts=1)) if elsewhere else task
            return number
        return self._inner.submit(task)

    def result(self, number: int) -> dict[str, Any]:
        """Play it here, or wait for it where it was handed on to."""
        if number >= 0:
            return self._inner.result(number)
        if self._workshop is None:
            self._externals = self._open_gateway()
            self._workshop = Workshop(self._folder, self._externals.policies())
        result: dict[str, Any] = json.loads(json.dumps(self._workshop.do(self._tasks[number])))
        return result

    def close(self) -> None:
        """End the gateway and what was started for it; the executor that tasks were handed on to stays."""
        if self._workshop is not None:
            self._workshop.close()
        if self._externals is not None:
            self._externals.close()


def _filled(part: str, words: dict[str, str]) -> str:
    """A part of a command with its {words} put in; braces around anything else stay as they are."""
    for name, value in words.items():
        part = part.replace(f"{{{name}}}", value)
    return part
