"""Who enters or leaves a tournament while it runs.

Asked for by files, taken between tasks, kept in the audit trail.

A request is taken when a task is planned that is not recorded yet, and noted with that task's number; a
resumed run takes it there again. So a run is reproducible, given where its changes came.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from league.durable import write_whole
from league.player import Player
from marl.errors import MarlError, RunError

if TYPE_CHECKING:
    from league.ledger import Ledger

FOLDER = "requests"
ENTERED, LEFT, REFUSED = "entered", "left", "refused"


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
