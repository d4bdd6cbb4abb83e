"""Tables on narrow terminals keep the names, and say what they leave out."""

from __future__ import annotations

import pytest
from rich.console import Console

from league.narrow import NarrowTable


def _printed(width: int, name: str = "mean_reversion") -> list[str]:
    table = NarrowTable(title="Standings", caption="Elo.", spare=("matches", "score"))
    table.add_column("player", overflow="fold")
    for heading in ("rating", "score", "matches"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row(name, "1100 to 1300", "12.50", "2320")
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return captured.get().splitlines()


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(100, ""), (51, ""), (50, "matches"), (41, "matches"), (40, "score, matches"), (33, "score, matches")],
)
def test_columns_are_left_out_before_names_are_cut(width: int, left_out: str) -> None:
    """The name stands whole in every width in which it has room, and the caption names what is not there."""
    lines = _printed(width)
    assert any("mean_reversion" in line for line in lines)
    assert all(len(line) <= width for line in lines)
    text = " ".join(" ".join(lines).split())
    assert (f"No room for {left_out}:" in text) == bool(left_out)
    for heading in ("score", "matches"):
        assert any(f" {heading} " in line for line in lines[1:4]) == (heading not in left_out)


def test_long_names_are_folded() -> None:
    """A name without end takes no column's place: it is folded, and nothing of it is lost."""
    name = "".join(f"part{i:02}" for i in range(10))
    lines = _printed(60, name)
    assert any("matches" in line for line in lines)
    assert "".join(line.split("│")[1].strip() for line in lines if line.startswith("│")) == name
