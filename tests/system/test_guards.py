"""Guards over the source text: what must never come in, whoever writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ("marl", "arenas", "agents", "league")
FORBIDDEN = {
    "pickle, which runs what it reads": (
        r"\b(?:import|from)\s+(?:c?pickle|cloudpickle|dill|joblib|shelve|marshal)\b"
        r"|\btorch\.(?:load|save)\(|allow_pickle\s*=\s*True|\b(?:recv|send)_pyobj\b"
        r"|\bmultiprocessing\.(?:Pipe|Queue)\("
    ),
    "global seeding, which couples everything that draws": (
        r"\b(?:np|numpy)\.random\.seed\(|\btorch\.(?:cuda\.)?manual_seed(?:_all)?\(|(?<![\w.])random\.seed\("
    ),
    "NumPy's global generator": (
        r"\b(?:np|numpy)\.random\.(?:rand|randn|randint|random|choice|shuffle|permutation)\("
    ),
}


def _sources(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


@pytest.mark.parametrize("what", FORBIDDEN)
def test_source_is_free_of(what: str, root: Path) -> None:
    """No file of the four packages holds what the refusals name."""
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in _sources(root)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("pickle, which runs what it reads", "import pickle"),
        ("pickle, which runs what it reads", "    weights = torch.load(path)"),
        ("pickle, which runs what it reads", "np.load(path, allow_pickle=True)"),
        ("global seeding, which couples everything that draws", "random.seed(3)"),
        ("global seeding, which couples everything that draws", "torch.manual_seed(0)"),
        ("NumPy's global generator", "x = np.random.rand(3)"),
    ],
)
def test_guard_can_fail(what: str, line: str) -> None:
    """Each guard finds the offence that it is there for."""
    assert re.search(FORBIDDEN[what], line)


def test_no_file_name_says_nothing(root: Path) -> None:
    """No module is called utils, common, helpers or a manager."""
    empty = re.compile(r"^(?:utils?|common|helpers?|misc|.*_manager)\.py$")
    assert [path for path in _sources(root) if empty.match(path.name)] == []


def test_every_package_is_typed(root: Path) -> None:
    """Each package tells type checkers that it carries annotations."""
    assert [name for name in PACKAGES if not (root / name / "py.typed").is_file()] == []
