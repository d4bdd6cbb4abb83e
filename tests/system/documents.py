"""Reading the README and the pages under docs/: their fenced blocks and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the document where the text begins."""

    language: str
    body: str
    line: int


def documents(root: Path) -> list[Path]:
    """README, CONTRIBUTING and every page under docs/."""
    return [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]


def blocks(path: Path, language: str) -> list[Block]:
    """The fenced blocks of one language, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(language, found["body"], text.count("\n", 0, found.start("body")) + 1)
        for found in FENCE.finditer(text)
        if found["language"] == language
    ]


def command_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and words of each command in the console blocks.

    A command stands behind `$ `; a line that ends in a backslash goes on in the next. Other lines are output.
    """
    for block in blocks(path, "console"):
        lines = block.body.splitlines()
        number = 0
        while number < len(lines):
            first = number
            line = lines[number]
            while line.endswith("\\") and number + 1 < len(lines):
                number += 1
                line = line[:-1] + lines[number].strip()
            number += 1
            if line.startswith("$ "):
                yield block.line + first, shlex.split(line[2:], comments=True)
