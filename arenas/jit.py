"""`compiled`: numba's njit that keeps a function's type; `stamp_of`: what a compiled kernel was made from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Function = TypeVar("Function", bound=Callable[..., Any])
else:
    Function = TypeVar("Function")


def compiled(function: Function) -> Function:
    """The function, compiled at its first call; only the kernel's entry is kept on disk (see `entry`)."""
    return cast("Function", njit(function))


def inlined(function: Function) -> Function:
    """Likewise, written into its callers: a call that hands over arrays costs more than a short body."""
    return cast("Function", njit(forceinline=True)(function))


def stamp_of(*folders: Path) -> int:
    """A number that changes with the sources of these folders and of what all kernels share.

    numba looks for changes in an entry's own file only; one that closes over this number is compiled again
    when a callee changes.
    """
    here = Path(__file__)
    shared = [here, here.with_name("draws.py")]
    digest = hashlib.sha256()
    for path in [*shared, *(path for folder in folders for path in sorted(folder.glob("*.py")))]:
        digest.update(path.read_bytes())
    return int(digest.hexdigest()[:12], 16)
