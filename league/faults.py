"""What a task raised, as plain JSON between processes: a MarlError stays what it was."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any

from marl import errors
from marl.errors import MarlError, RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = ("where", "got", "expected", "remedy")


def told(error: Exception) -> dict[str, Any]:
    """An error as plain JSON. The traceback of one that nobody foresaw goes to standard error."""
    if isinstance(error, MarlError):
        kinds = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
        return {"kind": next(kinds), **{name: getattr(error, name) for name in _FIELDS}}
    sys.stderr.write("".join(traceback.format_exception(error)))
    sys.stderr.flush()
    return {"kind": "", "got": f"{type(error).__name__}: {error}"}


def raised(data: Mapping[str, Any], task: str) -> MarlError:
    """The error that `told` was told of; a RunError about `task` where it was none of ours."""
    if not data["kind"]:
        return RunError(
            task, got=data["got"], expected="a result", remedy="The traceback stands on standard error."
        )
    kind: type[MarlError] = getattr(errors, data["kind"])
    error = kind.__new__(kind)
    MarlError.__init__(error, **{name: data[name] for name in _FIELDS})
    return error
