"""A worker process of `ProcessExecutor`: tasks come as lines of JSON on standard input, results go out so."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from league.faults import told
from league.tasks import task_from_json
from league.workshop import Workshop

_LOOK_EVERY_S = 0.5


def main() -> None:
    """Do tasks until standard input ends, or the owner does."""
    # Ctrl-C reaches the whole terminal's group; the owner ends us when it has recorded what it has
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # results have the true standard output for themselves; whatever prints, prints to standard error
    results = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    with Workshop(Path(sys.argv[1])) as workshop:
        for line in sys.stdin.buffer:
            answer: dict[str, object]
            try:
                answer = {"result": workshop.do(task_from_json(json.loads(line)))}
            except Exception as error:  # noqa: BLE001  # whatever the task raised is the league's to report
                answer = {"error": told(error)}
            _write_all(results.fileno(), json.dumps(answer).encode() + b"\n")


def _write_all(descriptor: int, data: bytes) -> None:
    """A pipe takes what it has room for."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _end_with(owner: int) -> None:
    """A result that nobody waits for is not worth finishing: hosts end with this process."""
    while os.getppid() == owner:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)


if __name__ == "__main__":
    main()
