"""What can go wrong at the edges, each told in one sentence.

Where, what was got, what was expected, what to do.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MarlError(Exception):
    """A fault that its reader can mend.

    Args:
        where: the arena, seat, field, file or address that is concerned.
        got: what was found there.
        expected: what should have been there.
        remedy: what to do about it, as a sentence; may be empty.
    """

    def __init__(self, where: str, *, got: str, expected: str, remedy: str = "") -> None:
        self.where = where
        self.got = got
        self.expected = expected
        self.remedy = remedy
        text = f"{where}: got {got}; expected {expected}."
        super().__init__(f"{text} {remedy}" if remedy else text)


class UnknownNameError(MarlError):
    """A name that its table does not hold; the nearest known names are listed."""

    def __init__(self, where: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        remedy = f"Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        super().__init__(
            where, got=repr(name), expected=f"one of {', '.join(names) or '(none)'}", remedy=remedy
        )


class ConfigError(MarlError):
    """A settings file, a --set argument or an option that does not fit its model."""


class SpecError(MarlError):
    """An arena, agent or snapshot that was named but can't be used as named."""


class ActionError(MarlError):
    """An action of the wrong shape, out of its space, masked, or not finite."""


class ObservationError(MarlError):
    """An arena that hands out something outside its own declared spaces."""


class MissingExtraError(MarlError):
    """An optional package that the request needs is not installed; the remedy is to install its extra."""

    def __init__(self, where: str, package: str, extra: str, *, remedy: str = "") -> None:
        super().__init__(
            where,
            got=f"no package {package!r}",
            expected="it installed",
            remedy=remedy or f"Install it with: pip install 'marl-league[{extra}]'",
        )


class HostError(MarlError):
    """An environment process that can't be started, reached or used."""


class ArenaFaultError(MarlError):
    """An arena raised inside a host; carries its traceback, the seed and the step."""


class GatewayError(MarlError):
    """The gateway for external agents can't start or lost its process."""


class RunError(MarlError):
    """A run folder that can't be written, read or resumed."""


class SnapshotError(MarlError):
    """A snapshot or checkpoint folder that is incomplete, altered or of another shape."""


class LedgerError(MarlError):
    """A ledger that can't be opened, is of a newer schema, or was contradicted."""


class DivergenceError(MarlError):
    """A learner whose loss is no longer finite, or beyond all bounds; the last good checkpoint stays."""
