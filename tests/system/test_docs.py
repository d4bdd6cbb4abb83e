"""README and docs are true: their Python runs, their commands parse, their links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bootstrap import TASKS
from tests.system.documents import blocks, command_lines, documents

ROOT = Path(__file__).resolve().parent.parent.parent
LINK = re.compile(r"\[[^\]]+\]\((?!https?://|#)([^)#\s]+)")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _with_python() -> list[Path]:
    return [path for path in documents(ROOT) if blocks(path, "python")]


def _commands() -> list[Any]:
    return [
        pytest.param(words, id=f"{_name(path)}:{line}")
        for path in documents(ROOT)
        for line, words in command_lines(path)
    ]


@pytest.mark.parametrize("path", _with_python(), ids=_name)
def test_python_blocks_run(path: Path, tmp_path: Path) -> None:
    """The Python blocks of a page, one after the other as one program, run in an empty folder."""
    script = tmp_path / "page.py"
    lines: list[str] = []
    for block in blocks(path, "python"):
        # A traceback then names the line of the page.
        lines += [""] * (block.line - 1 - len(lines)) + block.body.splitlines()
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, f"{_name(path)}:\n{done.stderr}"


def _check_marl(words: list[str]) -> None:
    """`marl ...` names commands and options that exist."""
    from typer.main import get_command

    from marl.cli import app

    command: Any = get_command(app)
    rest = words
    while rest and hasattr(command, "commands"):
        known = command.commands
        if rest[0].startswith("-"):
            break
        assert rest[0] in known, f"no command {rest[0]!r}; there are {', '.join(sorted(known))}"
        command, rest = known[rest[0]], rest[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"--help"}
    for word in rest:
        if word.startswith("--"):
            assert word.split("=")[0] in options, (
                f"no option {word!r}; there are {', '.join(sorted(options))}"
            )


def _check_make(words: list[str]) -> None:
    """`make ...` names tasks of the bootstrap."""
    targets = [word for word in words if "=" not in word]
    assert set(targets) <= {*TASKS, "clean", "help"}, f"no task in {targets}"


def _check_python(words: list[str]) -> None:
    """`python file ...` names a file of the checkout."""
    scripts = [word for word in words if word.endswith(".py")]
    assert all((ROOT / script).is_file() for script in scripts), f"no such file among {scripts}"


def _check_pip(words: list[str]) -> None:
    """`pip install` of this distribution names extras that exist."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extras in re.findall(r"\[([\w,]+)\]", " ".join(words)):
        for extra in extras.split(","):
            assert re.search(rf"^{extra} = \[", text, re.MULTILINE), f"no extra {extra!r}"


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "marl": _check_marl,
    "make": _check_make,
    "python": _check_python,
    "python3": _check_python,
    "pip": _check_pip,
}
# Commands of other people's, shown for orientation.
FOREIGN = {"git", "cd", "export"}


@pytest.mark.parametrize("words", _commands())
def test_console_command_parses(words: list[str]) -> None:
    """Each command that a page shows exists, with the sub-commands and options it is shown with."""
    while "=" in words[0]:
        words = words[1:]
    program = Path(words[0]).name
    if program not in FOREIGN:
        assert program in CHECKS, f"{program!r} has no check here"
        CHECKS[program](words[1:])


@pytest.mark.parametrize("path", documents(ROOT), ids=_name)
def test_links_lead_somewhere(path: Path) -> None:
    """Relative links in a page name files that exist."""
    dead = [
        link for link in LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()
    ]
    assert dead == []


def test_every_page_is_in_the_index() -> None:
    """docs/index.md links to each page under docs/, decisions included."""
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text(encoding="utf-8"))}
    pages = set((ROOT / "docs").rglob("*.md")) - {index}
    assert pages <= linked, sorted(_name(page) for page in pages - linked)


def test_decisions_are_short_and_numbered() -> None:
    """A decision is 40 lines at most, and no number is given twice."""
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert all(number.isdigit() for number in numbers)
    assert len(set(numbers)) == len(numbers), "two decisions with one number"
    assert [
        _name(path) for path in decisions if len(path.read_text(encoding="utf-8").splitlines()) > 40
    ] == []
