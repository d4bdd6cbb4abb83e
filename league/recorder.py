"""Commits in a thread of its own: matches are played on while the disk is waited for."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from marl.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from league.ledger import Ledger
    from league.records import Finished

T = TypeVar("T")
_MOST = 64
"""Tasks that may wait for a slow disk: bounds the memory, and what has to be played again after a crash."""


class Recorder(Generic[T]):
    """Takes finished tasks in their order; all that wait are committed as one group, in one transaction.

    Each comes with a tag; `written()` hands the tags back once their tasks are on the disk, in the same
    order. What the ledger refuses is raised by the next call. Leaving the context commits what waits.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._changed = threading.Condition()
        self._waiting: deque[tuple[T, Finished]] = deque()
        self._written: list[T] = []
        self._committing = 0
        self._error: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
        self._thread.start()

    def put(self, tag: T, finished: Finished) -> None:
        """Hand a task over; waits where too many wait already."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < _MOST or self._error is not None)
            self._raise()
            self._waiting.append((tag, finished))
            self._changed.notify_all()

    def written(self) -> Sequence[T]:
        """The tags of what came onto the disk since the last call."""
        with self._changed:
            self._raise()
            found, self._written = self._written, []
            return found

    def flush(self) -> Sequence[T]:
        """Wait until nothing waits; then as `written`."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._waiting or self._committing) or self._error is not None)
        return self.written()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        if kind is None:
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _serve(self) -> None:
        while group := self._next():
            try:
                self._commit([finished for _, finished in group])
            except BaseException as error:  # noqa: BLE001  # raised again where somebody waits
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._written += [tag for tag, _ in group]
                self._committing = 0
                self._changed.notify_all()

    def _next(self) -> list[tuple[T, Finished]]:
        """All that waits, once something does; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            group = list(self._waiting)
            self._waiting.clear()
            self._committing = len(group)
            self._changed.notify_all()
            return group

    def _commit(self, group: Sequence[Finished]) -> None:
        try:
            self._ledger.commit_tasks(group)
        except LedgerError:
            # nothing of the group was written: what is good of it is kept up to the one that is refused
            for finished in group:
                self._ledger.commit_tasks([finished])
            raise
