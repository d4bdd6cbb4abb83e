"""Who enters or leaves a tournament while it runs.

Asked for by files, taken between tasks, kept in the audit trail.

A request is taken when a task is planned that is not recorded yet, and noted with that task's number; a
resumed run takes it there again. So a run is reproducible, given where its changes came.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents import load_snapshot, make_policy
from league.durable import write_whole
from league.player import Player
from league.review import is_snapshot
from league.runs import REPORT, Run, busy
from marl.errors import ConfigError, MarlError, RunError, UnknownNameError
from marl.loading import build

if TYPE_CHECKING:
    from league.ledger import Ledger

FOLDER = "requests"
ENTERED, LEFT, REFUSED = "entered", "left", "refused"


def checked(folder: Path, event: str, player: str) -> tuple[str, bool]:
    """The name as the run will understand it, and whether somebody plays the run now.

    Raises RunError for a run that is over or has no tournament, UnknownNameError and SnapshotError for a name
    that is none, ConfigError for who plays already and who left before.
    """
    with Run.open(folder) as run:
        playing = busy(folder)
        if run.rules is None:
            raise RunError(run.where, got="no tournament", expected="[tournament] in its settings")
        if (folder / REPORT).is_file() and not playing:
            raise RunError(
                run.where,
                got=f"a run that is over ({REPORT} is written)",
                expected="one that still plays",
                remedy="Play another tournament, with another --out.",
            )
        named = [*run.rules.players, *(entry.name for entry in run.rules.external)]
        field = _field(run, named)
        if event == LEFT:
            if player not in field:
                raise UnknownNameError(f"{run.where}: who leaves", player, field)
            if field[player] is False:
                raise ConfigError(
                    f"{run.where}: who leaves", got=f"{player}, who is out", expected="one that plays"
                )
            return player, playing
        if field.get(player):
            raise ConfigError(
                f"{run.where}: who enters", got=f"{player}, who plays already", expected="one that does not"
            )
        return _new(run, player) if field.get(player) is None else player, playing


def _field(run: Run, named: Sequence[str]) -> dict[str, bool | None]:
    """All that may be in the field, and whether they are, None where nobody can say yet.

    By the names at the start, who played, the trail, and the requests that wait.
    """
    field: dict[str, bool | None] = dict.fromkeys(run.ledger.players())
    field |= dict.fromkeys([*named, *run.ledger.totals(run.name, "tournament").players], True)
    for event, detail in run.ledger.audit(run.name):
        if event in {ENTERED, LEFT}:
            field[detail["player"]["id"]] = event == ENTERED
        elif event == "disqualified":
            field[detail["player"]] = False
    for path in sorted((run.folder / FOLDER).glob("*.json")):
        with suppress(FileNotFoundError):  # it was taken meanwhile
            waiting = json.loads(path.read_text(encoding="utf-8"))
            field[waiting["player"]] = waiting["event"] == ENTERED
    return field


def _new(run: Run, player: str) -> str:
    """A player that was not in the field, tried; a snapshot by its whole path, wherever the run was begun."""
    arena = build(run.settings.ref())
    try:
        spec = arena.spec
    finally:
        arena.close()
    if not is_snapshot(player, spec):
        make_policy(player, spec)
        return player
    whole = Path(player).absolute()
    load_snapshot(whole, spec)
    return str(whole)


def ask(folder: Path, event: str, player: str) -> Path:
    """Leave a request in a run's folder.

    `entered` or `left`, and the player as it would be named at the start.
    """
    if not folder.is_dir():
        raise RunError(f"run folder {folder}", got="no such folder", expected="the folder of a run")
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    path = place / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.json"
    write_whole(path, json.dumps({"event": event, "player": player}))
    return path


class Requests:
    """The changes of a run's field, by task; `named` makes a player of a name, or raises what is wrong."""

    def __init__(self, folder: Path, ledger: Ledger, run: str, named: Callable[[str], Player]) -> None:
        self._folder, self._ledger, self._run, self._named = folder / FOLDER, ledger, run, named
        self._trail = ledger.audit(run)
        self._recorded = max((task.index for task in ledger.tasks(run)), default=-1)
        self._given: set[tuple[int, str, str]] = set()

    def at(self, index: int) -> list[tuple[str, Player]]:
        """The changes that come before a task of this number is planned; each is given once."""
        if index > self._recorded:
            self._read(index)
        found = []
        for event, detail in self._trail:
            if event not in {ENTERED, LEFT} or detail["task"] != index:
                continue
            player = Player.from_json(detail["player"])
            if (index, event, player.id) not in self._given:
                self._given.add((index, event, player.id))
                found.append((event, player))
        return found

    def note(self, event: str, detail: Mapping[str, Any]) -> None:
        """Note something once, however often the run is resumed."""
        entry = (event, dict(detail))
        if entry not in self._trail:
            self._trail.append(entry)
            self._ledger.note(self._run, event, detail)

    def _read(self, index: int) -> None:
        for path in sorted(self._folder.glob("*.json")):
            asked = json.loads(path.read_text(encoding="utf-8"))
            try:
                player = self._named(asked["player"])
            except MarlError as error:
                self.note(REFUSED, {"task": index, "player": asked["player"], "reason": str(error)})
            else:
                self.note(asked["event"], {"task": index, "player": player.to_json()})
            path.unlink()
