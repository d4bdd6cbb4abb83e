"""The bootstrap refuses in one sentence what is not fit, and installs only when something changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Stands for an interpreter: answers the bootstrap's question about itself, and fails at everything else.
FAKE_PYTHON = """#!/bin/sh
[ "$1" = -c ] && echo "{version} {modules} $0" && exit 0
echo "called with $*" >&2
exit 1
"""


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """A folder with the bootstrap, what it hashes, and an empty `bin` that is the whole PATH."""
    for name in ("bootstrap.py", "pyproject.toml", "constraints.txt", "Makefile"):
        shutil.copy(root / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    return tmp_path


def _fake_python(checkout: Path, name: str, version: str, *, can_make_venvs: bool = True) -> None:
    path = checkout / "bin" / name
    path.write_text(FAKE_PYTHON.format(version=version, modules=can_make_venvs))
    path.chmod(0o755)


def _bootstrap(checkout: Path, task: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "bootstrap.py", task],
        cwd=checkout,
        env={"PATH": str(checkout / "bin"), **variables},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def _fake_venv(checkout: Path) -> None:
    """An environment whose programs write what they were called with into calls.txt."""
    programs = checkout / ".venv" / "bin"
    programs.mkdir(parents=True)
    (checkout / ".venv" / "pyvenv.cfg").write_text("version = 3.11.7\n")
    for name in ("python", "pip", "marl", "ruff", "mypy", "lint-imports"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{checkout}/calls.txt"\nexit ${{STATUS:-0}}\n')
        program.chmod(0o755)


def _calls(checkout: Path) -> list[str]:
    log = checkout / "calls.txt"
    return log.read_text().splitlines() if log.exists() else []


def _one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a refusal said: exit status 2, one line."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_python_too_old(checkout: Path) -> None:
    """Only an old Python on the path: one sentence with what was found and what to install."""
    _fake_python(checkout, "python3", "3 9 2")
    said = _one_sentence(_bootstrap(checkout, "demo"))
    assert "3.9.2" in said
    assert "install python3.11" in said


def test_python_without_venv(checkout: Path) -> None:
    """A Python that cannot make environments: one sentence with Debian's package."""
    _fake_python(checkout, "python3.11", "3 11 2", can_make_venvs=False)
    assert "apt install python3.11-venv" in _one_sentence(_bootstrap(checkout, "test"))


def test_python_that_was_named_does_not_run(checkout: Path) -> None:
    """MARL_PYTHON that is not there is named in the refusal."""
    assert "MARL_PYTHON=/nowhere" in _one_sentence(_bootstrap(checkout, "test", MARL_PYTHON="/nowhere"))


def test_make_too_old(checkout: Path) -> None:
    """A make that is too old is refused before anything is made."""
    assert "make 3.80 is too old" in _one_sentence(_bootstrap(checkout, "demo", MARL_MAKE="3.80"))
    assert not (checkout / ".venv").exists()


def test_unknown_task(checkout: Path) -> None:
    """An unknown task prints the known ones."""
    assert "setup|demo|test" in _one_sentence(_bootstrap(checkout, "dmeo"))


def test_demo_says_first_what_it_will_do(checkout: Path) -> None:
    """Before an environment is made, size and time are said."""
    _fake_python(checkout, "python3.11", "3 11 2")
    done = _bootstrap(checkout, "demo")
    assert done.stdout.startswith("Making .venv: pip downloads about")
    assert "demo league" in done.stdout


def test_installs_once(checkout: Path) -> None:
    """The first run calls pip; the second one runs the task without it."""
    _fake_venv(checkout)
    assert _bootstrap(checkout, "demo").returncode == 0
    first = _calls(checkout)
    assert any("pip install" in call and "constraints.txt" in call for call in first)
    assert _bootstrap(checkout, "demo").returncode == 0
    assert _calls(checkout)[len(first) :] == ["marl league run demo"]


def test_installs_again_when_constraints_change(checkout: Path) -> None:
    """A changed constraints.txt asks pip again, and first without network."""
    _fake_venv(checkout)
    _bootstrap(checkout, "setup")
    first = len(_calls(checkout))
    with (checkout / "constraints.txt").open("a") as constraints:
        constraints.write("# changed\n")
    assert _bootstrap(checkout, "setup").returncode == 0
    again = _calls(checkout)[first:]
    assert len(again) == 1
    assert "--no-index" in again[0]


def test_failed_installation_is_not_stamped(checkout: Path) -> None:
    """After pip failed, the next run tries again instead of trusting half an environment."""
    _fake_venv(checkout)
    assert _bootstrap(checkout, "setup", STATUS="1").returncode == 2
    first = len(_calls(checkout))
    assert _bootstrap(checkout, "setup").returncode == 0
    assert len(_calls(checkout)) == first + 1


def test_check_runs_every_tool_and_fails_if_one_does(checkout: Path) -> None:
    """`check` shows the findings of all tools in one go, and keeps the failure."""
    _fake_venv(checkout)
    _bootstrap(checkout, "setup")
    first = len(_calls(checkout))
    assert _bootstrap(checkout, "check", STATUS="3").returncode == 3
    assert [call.split()[0] for call in _calls(checkout)[first:]] == ["ruff", "ruff", "mypy", "lint-imports"]


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_make_passes_the_task_on(checkout: Path) -> None:
    """`make demo` is `bootstrap.py demo`, with MARL_PYTHON heeded."""
    _fake_venv(checkout)
    _bootstrap(checkout, "setup")
    done = subprocess.run(
        ["make", "demo"],  # noqa: S607 # the make that users call
        cwd=checkout,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert _calls(checkout)[-1] == "marl league run demo"
