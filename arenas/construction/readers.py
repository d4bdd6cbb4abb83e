"""Projects from files: PSPLIB `.sm` and `.mm`, CSV and JSON. Faults name file and line.

Axes: J activities, K trades, A arcs, M modes.
"""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arenas.construction.project import Project
from arenas.construction.record import MATERIAL_NAMES
from marl.errors import ConfigError, SpecError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WHERE = "construction project"


@dataclass(frozen=True)
class Mode:
    """One way to carry out an activity.

    Days, units of each renewable resource, units of each that is used up.
    """

    duration: int
    demand: tuple[int, ...]
    uses: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """A PSPLIB file.

    Activities with their modes and successors (numbers of the file), and what there is of resources.
    """

    name: str
    modes: dict[int, tuple[Mode, ...]]
    successors: dict[int, tuple[int, ...]]
    capacity: tuple[int, ...]
    stock: tuple[int, ...]

    def project(self) -> Project:
        """The project with each activity in its first mode, without the dummies at its ends."""
        real = [n for n, modes in self.modes.items() if modes[0].duration or any(modes[0].demand)]
        dummies = [n for n in self.modes if n not in real]
        inner = [
            n for n in dummies if self.successors[n] and any(n in after for after in self.successors.values())
        ]
        kept = sorted([*real, *inner])
        place = {number: j for j, number in enumerate(kept)}
        arcs = [(place[n], place[s]) for n in kept for s in self.successors[n] if s in place]
        return Project(
            name=self.name,
            duration_J=np.array([self.modes[n][0].duration for n in kept], np.int64),
            demand_JK=np.array([self.modes[n][0].demand for n in kept], np.int64),
            capacity_K=np.array(self.capacity, np.int64),
            arc_A2=np.array(arcs, np.int64).reshape(-1, 2),
            number_J=np.array(kept, np.int64),
        )


class _Lines:
    """A file's lines, of which some can be looked for; faults carry the line's number."""

    def __init__(self, path: Path) -> None:
        self.path, self.at = path, 0
        try:
            self.lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{WHERE} {path}", got=str(error), expected="a readable text file") from error

    def fault(self, expected: str) -> ConfigError:
        """What is wrong with the current line."""
        got = repr(self.lines[self.at]) if self.at < len(self.lines) else "the end of the file"
        return ConfigError(f"{self.path}: line {self.at + 1}", got=got, expected=expected)

    def seek(self, pattern: str) -> re.Match[str]:
        """Go behind the next line that matches."""
        start = self.at
        while self.at < len(self.lines):
            match = re.search(pattern, self.lines[self.at])
            self.at += 1
            if match:
                return match
        self.at = start
        raise self.fault(f"a later line like {pattern!r}")

    def numbers(self, least: int) -> list[int]:
        """The whole numbers of the current line, at least so many; go behind it."""
        try:
            found = [int(word) for word in self.lines[self.at].split()]
        except (IndexError, ValueError):
            raise self.fault(f"at least {least} whole numbers") from None
        if len(found) < least:
            raise self.fault(f"at least {least} whole numbers")
        self.at += 1
        return found


def read_psplib(path: Path) -> Network:
    """A `.sm` or `.mm` file of PSPLIB (Kolisch, Sprecher 1996).

    ConfigError names the line that does not fit.
    """
    lines = _Lines(path)
    jobs = int(lines.seek(r"jobs \(incl\. supersource/sink \):\s*(\d+)").group(1))
    renewable = int(lines.seek(r"- renewable\s*:\s*(\d+)").group(1))
    used_up = int(lines.seek(r"- nonrenewable\s*:\s*(\d+)").group(1))
    lines.seek(r"^PRECEDENCE RELATIONS")
    lines.seek(r"^jobnr\.")
    successors, counts = _successors(lines, jobs)
    lines.seek(r"^REQUESTS/DURATIONS")
    lines.seek(r"^jobnr\.")
    if lines.at < len(lines.lines) and lines.lines[lines.at].startswith("-"):
        lines.at += 1
    modes: dict[int, tuple[Mode, ...]] = {}
    for number in range(1, jobs + 1):
        found = []
        for mode in range(counts[number]):
            row = lines.numbers(2 + renewable + used_up)
            if mode == 0:
                if row[0] != number:
                    lines.at -= 1
                    raise lines.fault(f"activity {number}")
                row = row[1:]
            values = row[1:]
            if len(values) != 1 + renewable + used_up or min(values) < 0:
                lines.at -= 1
                raise lines.fault(f"mode, duration and {renewable + used_up} demands of 0 or more")
            found.append(Mode(values[0], tuple(values[1 : 1 + renewable]), tuple(values[1 + renewable :])))
        modes[number] = tuple(found)
    lines.seek(r"^RESOURCEAVAILABILITIES")
    lines.at += 1
    amounts = lines.numbers(renewable + used_up)
    return Network(path.stem, modes, successors, tuple(amounts[:renewable]), tuple(amounts[renewable:]))


def _successors(lines: _Lines, jobs: int) -> tuple[dict[int, tuple[int, ...]], dict[int, int]]:
    successors: dict[int, tuple[int, ...]] = {}
    counts: dict[int, int] = {}
    for number in range(1, jobs + 1):
        row = lines.numbers(3)
        after = row[3:]
        if row[0] != number or len(after) != row[2] or not all(1 <= s <= jobs for s in after) or row[1] < 1:
            lines.at -= 1
            raise lines.fault(f"activity {number}, its modes, and as many successors in 1..{jobs} as it says")
        successors[number], counts[number] = tuple(after), row[1]
    return successors, counts


def read_json(path: Path) -> Project:
    """A JSON file: {"capacity": {trade: units}, "activities": [{"id", "days", "needs": {trade.

    Units}, "after": [ids]}]}.

    Optional per activity: "exposure" (0..1), "zone", "materials": {"concrete": units}.
    """
    text = "\n".join(_Lines(path).lines)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: line {error.lineno}", got=error.msg, expected="JSON") from error
    if not isinstance(data, dict) or not isinstance(data.get("capacity"), dict) or "activities" not in data:
        raise ConfigError(str(path), got="other content", expected='{"capacity": {...}, "activities": [...]}')
    rows = [(f"{path}: activity {i + 1}", row) for i, row in enumerate(data["activities"])]
    return _project(path, data["capacity"], rows)


def read_csv(path: Path) -> Project:
    """A CSV file with columns id, days, after (ids with blanks between), and a column for each trade.

    The row whose id is `capacity` says how many units of each trade there are. Optional columns: exposure,
    zone, concrete, steel, wood.
    """
    lines = _Lines(path)
    reader = csv.DictReader(lines.lines)
    known = {"id", "days", "after", "exposure", "zone", *MATERIAL_NAMES}
    columns = list(reader.fieldnames or ())
    if not {"id", "days", "after"} <= set(columns):
        raise ConfigError(
            f"{path}: line 1", got=str(columns), expected="columns id, days, after, and a column a trade"
        )
    trades = [column for column in columns if column not in known]
    capacity: dict[str, Any] = {}
    rows = []
    for row in reader:
        where = f"{path}: line {reader.line_num}"
        if None in row or any(value is None for value in row.values()):
            raise ConfigError(where, got="too many or too few cells", expected=f"{len(columns)} of them")
        if row["id"] == "capacity":
            capacity = {trade: _whole(where, trade, row[trade] or "0") for trade in trades}
            continue
        entry: dict[str, Any] = {"id": row["id"], "days": row["days"], "after": row["after"].split()}
        entry["needs"] = {trade: row[trade] for trade in trades if row[trade]}
        entry["materials"] = {name: row[name] for name in MATERIAL_NAMES if row.get(name)}
        entry |= {name: row[name] for name in ("exposure", "zone") if row.get(name)}
        rows.append((where, entry))
    if not capacity:
        raise ConfigError(
            str(path), got="no row 'capacity'", expected="one that says how many units each trade has"
        )
    return _project(path, capacity, rows)


def _project(path: Path, capacity: dict[str, Any], rows: Sequence[tuple[str, Any]]) -> Project:
    trades = list(capacity)
    ids: dict[str, int] = {}
    for where, row in rows:
        if not isinstance(row, dict) or "id" not in row or "days" not in row:
            raise ConfigError(where, got=repr(row), expected="an activity with id and days")
        if str(row["id"]) in ids:
            raise ConfigError(where, got=f"id {row['id']!r} again", expected="each id once")
        ids[str(row["id"])] = len(ids)
    jobs = len(ids)
    if not jobs:
        raise ConfigError(str(path), got="no activities", expected="at least one")
    duration_J = np.zeros(jobs, np.int64)
    demand_JK = np.zeros((jobs, len(trades)), np.int64)
    material_JP = np.zeros((jobs, len(MATERIAL_NAMES)), np.int64)
    exposure_J, zone_J = np.zeros(jobs), np.zeros(jobs, np.int64)
    arcs: list[tuple[int, int]] = []
    for j, (where, row) in enumerate(rows):
        duration_J[j] = _whole(where, "days", row["days"])
        zone_J[j] = _whole(where, "zone", row.get("zone", 0))
        try:
            exposure_J[j] = float(row.get("exposure", 0.0))
        except ValueError as error:
            raise ConfigError(
                f"{where}: exposure", got=repr(row["exposure"]), expected="a number in 0..1"
            ) from error
        for name, table, known in (
            ("needs", demand_JK, trades),
            ("materials", material_JP, list(MATERIAL_NAMES)),
        ):
            for key, units in row.get(name, {}).items():
                if key not in known:
                    raise UnknownNameError(f"{where}: {name}", key, known)
                table[j, known.index(key)] = _whole(where, key, units)
        for before in row.get("after", ()):
            if str(before) not in ids:
                raise UnknownNameError(f"{where}: after", str(before), ids)
            arcs.append((ids[str(before)], j))
    return Project(
        name=path.stem,
        duration_J=duration_J,
        demand_JK=demand_JK,
        capacity_K=np.array([_whole(str(path), trade, units) for trade, units in capacity.items()], np.int64),
        arc_A2=np.array(arcs, np.int64).reshape(-1, 2),
        number_J=np.arange(1, jobs + 1),
        exposure_J=exposure_J,
        zone_J=zone_J,
        material_JP=material_JP,
    )


def _whole(where: str, name: str, value: Any) -> int:  # noqa: ANN401  # a cell or a JSON value
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0 or (isinstance(value, float) and value != number):
        raise ConfigError(f"{where}: {name}", got=repr(value), expected="a whole number of 0 or more")
    return number


_READERS: dict[str, tuple[str, Callable[[Path], Project]]] = {
    "psplib": (".sm or .mm", lambda path: read_psplib(path).project()),
    "csv": (".csv", read_csv),
    "json": (".json", read_json),
}


def read_projects(source: str) -> list[Project]:
    """The projects that an option names ("psplib:folder"): of a folder, all its files by name."""
    kind, colon, place = source.partition(":")
    if not colon or kind not in _READERS:
        raise SpecError(
            f"{WHERE}: option project",
            got=repr(source),
            expected="generated, psplib:path, csv:path or json:path",
        )
    endings, reader = _READERS[kind]
    path = Path(place)
    paths = list(_files(path, endings))
    if not paths:
        raise SpecError(
            f"{WHERE}: option project", got=f"no {endings} file at {path}", expected="a file or folder"
        )
    return [reader(file) for file in paths]


def _files(path: Path, endings: str) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        found = [file for file in path.iterdir() if file.suffix in endings.split(" or ")]
        yield from sorted(found, key=lambda file: [int(n) for n in re.findall(r"\d+", file.stem)] or [0])
