"""`compiled`: numba's njit that keeps a function's type for readers and for mypy."""

from __future__ import annotations

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
