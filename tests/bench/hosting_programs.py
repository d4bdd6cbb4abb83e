"""What the hosting benchmark runs in processes of its own, without hosting: raw ZeroMQ, and arenas alone.

They are sessions of their own, as hosts are: some schedulers share a busy machine out by session.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq

from marl.hosting.keys import connect_with, load_keys
from marl.hosting.link import ONE_THREAD
from marl.hosting.wire import guard
from tests.bench.hosting_runners import Runner

if TYPE_CHECKING:
    from marl.loading import ArenaRef

_ROOT = Path(__file__).resolve().parents[2]

_ALONE = """
import json, sys
from marl.hosting import make_pool
from marl.loading import ArenaRef
from tests.bench.hosting_runners import Pool
ref = ArenaRef.from_json(json.loads(sys.argv[1]))
runner = Pool(make_pool(ref, hosts=0, copies=int(sys.argv[2]), groups=2))
print("ready", flush=True)
for line in sys.stdin:
    print(*runner.rate(float(line)), flush=True)
"""


class Alone(Runner):
    """Processes that step copies of an arena at once, each for itself: what the machine's cores can give."""

    def __init__(self, ref: ArenaRef, *, copies: int, processes: int) -> None:
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", _ALONE, json.dumps(ref.to_json()), str(copies)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
                cwd=_ROOT,
                env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
            )
            for _ in range(processes)
        ]
        for process in self._processes:
            self._hear(process)

    def rate(self, seconds: float) -> tuple[float, float]:
        """The sum of their rates, while all of them run."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        told = [[float(number) for number in self._hear(process).split()] for process in self._processes]
        return sum(rate for rate, _ in told), max(took_s for _, took_s in told)

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.communicate()

    @staticmethod
    def _hear(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline()


_ECHO = """
import os, sys, threading, zmq
from pathlib import Path
from marl.hosting.keys import bind_with, load_keys
from marl.hosting.wire import guard
# Without its owner it ends.
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
context = zmq.Context()
socket = context.socket(zmq.DEALER)
reply = bytes(int(sys.argv[3]))
if sys.argv[2]:
    guard(socket)
    bind_with(socket, load_keys(Path(sys.argv[2])))
socket.bind(sys.argv[1])
print(socket.last_endpoint.decode(), flush=True)
while True:
    if socket.recv() == b"q":
        break
    socket.send(reply, copy=len(reply) < 65536)
"""


class Echo(Runner):
    """Raw ZeroMQ, ROUTER to DEALER: `there` bytes go, `back` bytes come, `ahead` requests are under way."""

    def __init__(self, *, there: int = 1, back: int = 1, ahead: int = 1, keys: Path | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        where = f"ipc://{self._folder.name}/s" if keys is None else "tcp://127.0.0.1:*"
        half = "" if keys is None else str(keys / "host")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ECHO, where, half, str(back)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        endpoint = self._process.stdout.readline().decode().strip()
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        if keys is not None:
            guard(self._socket)
            connect_with(self._socket, load_keys(keys / "owner"))
        self._socket.connect_routing_id = b"a"
        self._socket.connect(endpoint)
        self._request, self._ahead = bytes(there), ahead

    def begin(self) -> None:
        """So many requests are under way."""
        for _ in range(self._ahead):
            self._ask()

    def turn(self) -> int:
        """One round trip."""
        self._answer()
        self._ask()
        return 1

    def end(self) -> int:
        """None is under way."""
        for _ in range(self._ahead):
            self._answer()
        return self._ahead

    def close(self) -> None:
        """End the other side."""
        self._socket.send_multipart([b"a", b"q"])
        self._process.wait()
        self._process.communicate()
        self._socket.close(linger=0)
        self._context.term()
        self._folder.cleanup()

    def _ask(self) -> None:
        self._socket.send(b"a", zmq.SNDMORE)
        if len(self._request) < 65536:
            self._socket.send(self._request)
        else:
            self._socket.send(self._request, copy=False)

    def _answer(self) -> None:
        self._socket.recv()
        self._socket.recv(copy=False)
