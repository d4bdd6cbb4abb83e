"""`compiled`: numba's njit that keeps a function's type; `stamp_of`: what a compiled kernel was made from.

`lent`, `move`: arrays without counted references, and a copy of a part of one, inside compiled code.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])
else:
    Function = TypeVar("Function")


def compiled(function: Function) -> Function:
    """The function, compiled at its first call; only the kernel's entry is kept on disk (see `entry`)."""
    return cast("Function", njit(function))


def inlined(function: Function) -> Function:
    """Likewise, written into its callers: a call that hands over arrays costs more than a short body."""
    return cast("Function", njit(forceinline=True)(function))


def _lend(_typing: Any, arrays: Any) -> Any:  # noqa: ANN401  # numba's own types, here and below
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        views = []
        for i, kind in enumerate(signature.args[0]):
            view = context.make_array(kind)(context, builder, builder.extract_value(arguments[0], i))
            view.meminfo, view.parent = view.meminfo.type(None), view.parent.type(None)
            views.append(view._getvalue())  # noqa: SLF001  # as numba's own builders do
        return context.make_tuple(builder, signature.return_type, views)

    return arrays(arrays), build


def _copy(_typing: Any, target: Any, _at: Any, source: Any, _begin: Any, _count: Any) -> Any:  # noqa: ANN401
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        to = context.make_array(signature.args[0])(context, builder, arguments[0])
        taken = context.make_array(signature.args[2])(context, builder, arguments[2])
        cgutils.raw_memcpy(  # type: ignore[no-untyped-call]
            builder,
            builder.gep(to.data, [arguments[1]]),
            builder.gep(taken.data, [arguments[3]]),
            arguments[4],
            context.get_abi_sizeof(context.get_data_type(signature.args[0].dtype)),
        )
        return context.get_dummy_value()

    return types.void(target, types.intp, source, types.intp, types.intp), build


lent: Callable[..., Any] = intrinsic(_lend)
"""The same arrays (a tuple of them), of which compiled code counts no references.

Counting is atomic, and costs more than the short functions that take the arrays. Whoever called the entry
holds them for as long as it runs.
"""
move: Callable[..., None] = intrinsic(_copy)
"""(target, at, source, begin, count): copy items of one array into another of the same kind, as memcpy does.

Both are contiguous and hold what is named, counted flat over all axes: nothing is checked. Unlike a slice of
a row it makes no view.
"""


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
