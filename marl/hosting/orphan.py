"""A host ends when its owner does, however the owner ended and whatever the host is busy with.

The owner holds the writing end of the host's standard input and never writes. When the owner dies the kernel
closes it: on Linux that itself kills the host's process group (a signal asked for in advance, which reaches a
process that is stopped or holds the interpreter's lock); elsewhere, and before that is set, a thread notices.
The parent-death signal (prctl) is not used: it fires when the *thread* that started the host ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import sys
import threading

_LOOK_EVERY_S = 0.5


class Watch:
    """Ends this process and its group when the owner ends; until `settle`, removes `folder` first.

    Whoever makes or fills the folder holds `steady` meanwhile, so that nothing is made behind its removal.
    """

    def __init__(self, owner: int, folder: str) -> None:
        self._owner = owner
        self._folder = folder
        self.steady = threading.Lock()
        threading.Thread(target=self._run, name="owner-watch", daemon=True).start()

    def settle(self) -> None:
        """Remove the folder now: from here on, ending waits for nothing."""
        with self.steady:
            if self._folder:
                shutil.rmtree(self._folder)
            self._folder = ""
        if sys.platform == "linux":
            fcntl.fcntl(0, fcntl.F_SETOWN, -os.getpgrp())
            fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
            # Closed just before: no signal came.
            if select.select([0], [], [], 0)[0]:
                self._end()

    def _run(self) -> None:
        # A forked child of the owner may hold the pipe open: hence the look at the parent, too.
        while not select.select([0], [], [], _LOOK_EVERY_S)[0] and os.getppid() == self._owner:
            pass
        self._end()

    def _end(self) -> None:
        with self.steady:
            if self._folder:
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(self._folder)
            os.killpg(0, signal.SIGKILL)
