"""What standings are computed from: a run's folder, or a run by its name in any ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from league.config import TournamentSettings
from league.ledger import Ledger
from league.runs import Run
from marl.errors import ConfigError, LedgerError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Source(Protocol):
    """A run in an open ledger, and the rules by which it is judged; usable as a context manager."""

    @property
    def where(self) -> str:
        """What errors call it."""

    @property
    def ledger(self) -> Ledger:
        """Where its blocks lie."""

    @property
    def name(self) -> str:
        """What it is called there."""

    @property
    def rules(self) -> TournamentSettings | None:
        """Its tournament's rules, where they are known."""

    def anchors(self, here: Collection[str]) -> dict[str, float]:
        """The players among those who are here whose rating is pinned, in Elo."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Stored:
    """A run in a ledger, judged by `rules` (none: the defaults) with the anchors that were asked for."""

    def __init__(
        self, where: str, ledger: Ledger, name: str, rules: TournamentSettings, pins: Mapping[str, float]
    ) -> None:
        self.where, self.ledger, self.name, self.rules = where, ledger, name, rules
        self._pins = dict(pins)

    def anchors(self, here: Collection[str]) -> dict[str, float]:
        """Those that were asked for; UnknownNameError for one who did not play."""
        for name in self._pins:
            if name not in here:
                raise UnknownNameError("--anchor", name, here)
        return self._pins

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()


def opened(where: str, name: str | None = None, pins: Mapping[str, float] | None = None) -> Source:
    """A run's folder, or the run of that name in a ledger's file or URL; `pins` replace its anchors.

    `name` is needed only where several runs lie in a ledger. Raises RunError and LedgerError for what is
    neither, ConfigError where a name is missing, UnknownNameError for a wrong one.
    """
    folder = Path(where)
    if "://" not in where and folder.is_dir():
        run = Run.open(folder)
        if name in {None, run.name} and not pins:
            return run
        try:
            chosen = _chosen(run.where, run.ledger, name or run.name)
        except BaseException:
            run.close()
            raise
        own = run.rules if chosen == run.name else None
        return Stored(run.where, run.ledger, chosen, own or TournamentSettings(), pins or {})
    ledger = Ledger.open(where, create=False)
    try:
        chosen = _chosen(f"ledger {where}", ledger, name)
    except BaseException:
        ledger.close()
        raise
    return Stored(f"ledger {where}, run {chosen}", ledger, chosen, TournamentSettings(), pins or {})


def _chosen(where: str, ledger: Ledger, name: str | None) -> str:
    runs = list(ledger.runs())
    if name is not None:
        if name not in runs:
            raise UnknownNameError(f"{where}: --run", name, runs)
        return name
    if not runs:
        raise LedgerError(where, got="no runs", expected="one at least")
    if len(runs) > 1:
        raise ConfigError(
            where,
            got=f"{len(runs)} runs: {', '.join(runs)}",
            expected="the name of one",
            remedy="Say --run NAME.",
        )
    return runs[0]
