"""Players that come in over a socket, for as long as a tournament needs them: gateway, tokens, processes, policies."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import marl
from league.player import Player
from league.tasks import PlayTask
from league.workshop import Workshop
from marl.errors import GatewayError
from marl.gateway import Gateway, TimeControl, new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from league.config import ExternalSettings
    from league.executor import Executor
    from league.tasks import Task
    from marl.spec import Spec


class Externals:
    """A gateway, and the agents that are expected at it. Their commands are started here and ended with it."""

    def __init__(self, spec: Spec, expected: Sequence[ExternalSettings], told: Callable[[str], None]) -> None:
        self._expected = list(expected)
        tokens = {entry.name: new_token() for entry in expected}
        self._folder = tempfile.TemporaryDirectory(prefix="marl-tokens-")
        move_s = max(entry.move_ms for entry in expected) / 1000
        self.gateway = Gateway(spec, tokens, time_control=TimeControl(move_s=move_s))
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            for entry in expected:
                self._invite(entry, tokens[entry.name], told)
            for entry in expected:
                self.gateway.wait_for(entry.name, entry.wait_s)
                told(f"{entry.name} has joined at {self.gateway.address}")
        except BaseException:
            self.close()
            raise

    @property
    def players(self) -> list[Player]:
        """Their entries in the roster."""
        return [Player(id=entry.name, kind="external", name=entry.name) for entry in self._expected]

    def policies(self) -> dict[str, Any]:
        """A policy for each of them."""
        return {entry.name: self.gateway.policy(entry.name) for entry in self._expected}

    def close(self) -> None:
        """End the gateway, and the processes that were started for it."""
        self.gateway.close()
        for process in self._processes:
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

    def _invite(self, entry: ExternalSettings, token: str, told: Callable[[str], None]) -> None:
        # the folder is nobody else's: on a command line everybody could read the token
        file = Path(self._folder.name) / f"{len(self._processes)}-{entry.name}"
        file.write_text(token, encoding="utf-8")
        if not entry.command:
            told(f"waiting {entry.wait_s:g} s for {entry.name}: marl join {self.gateway.address} AGENT --token @{file}")
            return
        root = Path(marl.__file__).parent.parent
        words = {"python": sys.executable, "address": self.gateway.address, "token": f"@{file}", "root": str(root)}
        command = [part.format(**words) for part in entry.command]
        try:
            self._processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))  # noqa: S603  # the user's own
        except OSError as error:
            raise GatewayError(
                f"external player {entry.name}",
                got=f"{command[0]}: {error.strerror}",
                expected="a command that starts its agent",
            ) from error


class WithExternals:
    """An executor that plays tasks with external players in this process, and hands the others on."""

    def __init__(self, inner: Executor, folder: Path, externals: Externals) -> None:
        self._inner = inner
        self._workshop = Workshop(folder, externals.policies())
        self._tasks: dict[int, Task] = {}

    def submit(self, task: Task) -> int:
        if isinstance(task, PlayTask) and any(player.kind == "external" for player in task.players):
            number = -len(self._tasks) - 1
            self._tasks[number] = task
            return number
        return self._inner.submit(task)

    def result(self, number: int) -> dict[str, Any]:
        return self._workshop.do(self._tasks[number]) if number < 0 else self._inner.result(number)

    def close(self) -> None:
        self._workshop.close()
        self._inner.close()
