"""A table for terminals of any width: it leaves columns out before it shortens what tells its rows apart."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.measure import Measurement
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_ANY_WIDTH = 10_000
_NAME_WIDTH = 24
"""Names up to so many columns stay whole; longer ones may be folded."""


class NarrowTable(Table):
    """A table that leaves out those columns of `spare` that have no room, the first named first, and says so.

    rich alone would shorten columns that may be folded, such as names, down to nothing.
    """

    def __init__(self, *, spare: tuple[str, ...] = (), **layout: Any) -> None:
        super().__init__(title_justify="left", caption_justify="left", **layout)
        self.spare = spare

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich prints, with as many columns as there is room for."""
        left_out: list[str] = []
        shown = self._without(left_out)
        for name in self.spare:
            plain = copy(shown)
            plain.min_width = None
            needed = Measurement.get(console, options.update(width=_ANY_WIDTH), plain).minimum
            if needed <= options.max_width:
                break
            left_out.insert(0, name)
            shown = self._without(left_out)
        yield from Table.__rich_console__(shown, console, options)

    def _without(self, left_out: list[str]) -> Table:
        """The table without some columns, which its caption names."""
        shown = copy(self)
        shown.columns = [copy(column) for column in self.columns if column.header not in left_out]
        for column in shown.columns:
            lines = [line for cell in (column.header, *column.cells) for line in str(cell).splitlines()]
            longest = max(map(cell_len, lines), default=0)
            column.min_width = longest if column.no_wrap else min(longest, _NAME_WIDTH)
        if left_out:
            told = f"No room for {', '.join(left_out)}: use a wider terminal, or --json."
            shown.caption = f"{self.caption} {told}" if self.caption else told
        return shown
