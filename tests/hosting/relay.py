"""A relay in front of a TCP address, whose connections a test can cut."""

from __future__ import annotations

import select
import socket
import threading
from typing import Self

_CUT, _END = b"c", b"e"


class Relay:
    """Passes bytes both ways between whoever comes to `address` and a target, until `cut` or the end."""

    def __init__(self, target: str) -> None:
        self._target = ("127.0.0.1", int(target.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._told, self._hears = socket.socketpair()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._thread = threading.Thread(target=self._run)
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._told.send(_END)
        self._thread.join()
        self._drop()
        for end in (self._listener, self._told, self._hears):
            end.close()

    def cut(self) -> None:
        """Break all connections; those who come again are served."""
        self._told.send(_CUT)

    def _run(self) -> None:
        while True:
            ends = [end for pair in self._pairs for end in pair]
            ready = select.select([self._listener, self._hears, *ends], [], [])[0][0]
            if ready is self._hears:
                if self._hears.recv(1) == _END:
                    return
                self._drop()
            elif ready is self._listener:
                self._admit()
            else:
                self._pass(ready)

    def _admit(self) -> None:
        here = self._listener.accept()[0]
        try:
            self._pairs.append((here, socket.create_connection(self._target)))
        except ConnectionRefusedError:
            # The target is not up yet: whoever came tries again.
            here.close()

    def _pass(self, ready: socket.socket) -> None:
        pair = next(pair for pair in self._pairs if ready in pair)
        try:
            data = ready.recv(65536)
            (pair[1] if ready is pair[0] else pair[0]).sendall(data)
        except OSError:
            data = b""
        if not data:
            self._pairs.remove(pair)
            for end in pair:
                end.close()

    def _drop(self) -> None:
        for pair in self._pairs:
            for end in pair:
                end.close()
        self._pairs.clear()
