"""A person as a player: `marl join ADDRESS agents.keyboard:act --token TOKEN` asks for every move.

Give people time: `--set tournament.gateway.move_ms=60000` at the league. Like the client it needs nothing but
Python.
"""

from __future__ import annotations

import sys
from typing import Any


def act(observation: Any, mask: Any) -> int:  # noqa: ANN401  # as the arena shows it
    """Show what the seat sees and ask until the answer is a choice that is allowed."""
    allowed = None if mask is None else [choice for choice, free in enumerate(mask) if free]
    sys.stdout.write("\n" + shown(observation) + "\n")
    words = "a number" if allowed is None else ", ".join(map(str, allowed))
    while True:
        sys.stdout.write(f"your move ({words}): ")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError("nobody is at the keyboard any more")
        answer = line.strip()
        if answer.isdecimal() and (allowed is None or int(answer) in allowed):
            return int(answer)
        sys.stdout.write(f"{answer!r} is none of them\n")


def shown(observation: Any, name: str = "") -> str:  # noqa: ANN401  # as the arena shows it
    """An observation as text: named parts, planes as a board of their numbers, the rest in a line."""
    head = f"{name}: " if name else ""
    if isinstance(observation, dict):
        return "\n".join(shown(part, key) for key, part in observation.items())
    if _depth(observation) == 3:
        board = [
            [next((str(k + 1) for k, plane in enumerate(cell) if plane), ".") for cell in row]
            for row in observation
        ]
        return head + "\n" + "\n".join(" ".join(row) for row in board)
    if _depth(observation) == 2:
        return head + "\n" + "\n".join(" ".join(map(_short, row)) for row in observation)
    return head + (" ".join(map(_short, observation)) if _depth(observation) == 1 else _short(observation))


def _depth(value: Any) -> int:  # noqa: ANN401  # nested lists
    return 1 + _depth(value[0]) if isinstance(value, list | tuple) and value else 0


def _short(value: Any) -> str:  # noqa: ANN401  # a number
    return f"{value:.3g}" if isinstance(value, float) else str(value)
