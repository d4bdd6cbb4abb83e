"""`marl standings` and `marl games`: what follows from a run's ledger, over or still going."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from marl.cli.options import AsJson
from marl.cli.printing import console, print_csv, print_json

if TYPE_CHECKING:
    from league.source import Source

_WHERE = "The folder of a run, a ledger's SQLite file, or postgresql://HOST/NAME"
Where = Annotated[str, typer.Argument(help=f"{_WHERE}.")]
Wheres = Annotated[list[str], typer.Argument(help=f"{_WHERE}; of several, which then vote.")]
Purpose = Annotated[str, typer.Option(help="Which blocks: tournament, gate or eval.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print rows of comma-separated values.")]


def standings(
    where: Where,
    *,
    run: Annotated[
        str | None, typer.Option("--run", help="Which run; needed where several lie in a ledger.")
    ] = None,
    purpose: Purpose = "tournament",
    anchors: Annotated[
        list[str] | None,
        typer.Option("--anchor", help="PLAYER=ELO, pinned instead of the run's own anchors; repeatable."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="From totals, at any length; intervals are those of the last fit.")
    ] = False,
    system: Annotated[
        str | None,
        typer.Option("--system", help="In other terms: elo, glicko, glicko2, openskill, trueskill."),
    ] = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """The standings of a run, computed anew from its ledger: ratings, or scores where all are one team."""
    from league.source import opened

    with opened(where, run, _pins(anchors or [])) as found:
        if system is not None:
            _exported(found, purpose, system, as_csv=as_csv, as_json=as_json)
        elif quick:
            _quick(found, purpose, as_csv=as_csv, as_json=as_json)
        else:
            _fitted(found, purpose, as_csv=as_csv, as_json=as_json)


def _pins(anchors: list[str]) -> dict[str, float]:
    """`PLAYER=ELO` as a table; ConfigError for anything else."""
    from math import isfinite

    from marl.errors import ConfigError

    pins = {}
    for text in anchors:
        player, _, elo = text.rpartition("=")
        try:
            pins[player] = float(elo)
        except ValueError:
            player = ""
        if not player or not isfinite(pins[player]):
            raise ConfigError("--anchor", got=text, expected="PLAYER=ELO, as random=0")
    return pins


def _fitted(run: Source, purpose: str, *, as_csv: bool, as_json: bool) -> None:
    from league.report_parts import forfeit_notes
    from league.standings import blocks_of, names_of, scores_of, standings_of
    from league.tables import head_to_head_table, standings_table, to_json
    from league.team_findings import tables

    scores, names = scores_of(run, purpose), names_of(run)
    if scores is not None:
        notes = forfeit_notes(blocks_of(run, purpose), names)
        found: dict[str, Any] = {"scores": scores.to_json(), "names": names}
        rows, shown = found["scores"]["rows"] or found["scores"]["scenarios"], tables(scores, names)
    else:
        rated, pairs, names, notes = standings_of(run, purpose)
        found = to_json(rated, pairs, "difference", names)
        rows = found["standings"]["rows"]
        shown = (standings_table(rated, names), head_to_head_table(pairs, rated, "difference", names))
    if as_json:
        print_json(found | {"notes": notes})
    elif as_csv:
        print_csv(rows)
    else:
        to = console()
        for table in shown:
            to.print(table)
        for note in notes:
            to.print(note, highlight=False, markup=False)


def _quick(run: Source, purpose: str, *, as_csv: bool, as_json: bool) -> None:
    from league.live import quick_of  # and no more than it needs: it is for ledgers of any length

    rated = quick_of(run, purpose)
    if as_json:
        print_json({"standings": rated.to_json()})
    elif as_csv:
        print_csv(rated.to_json()["rows"])
    else:
        from league.standings import names_of
        from league.tables import standings_table

        console().print(standings_table(rated, names_of(run)))


def _exported(run: Source, purpose: str, system: str, *, as_csv: bool, as_json: bool) -> None:
    from league.exports import exported
    from league.standings import blocks_of, names_of

    figures = exported(blocks_of(run, purpose), system)
    key = next(name for name in ("ordinal", "exposed", "rating") if name in next(iter(figures.values())))
    rows = [
        {"player": player, **own} for player, own in sorted(figures.items(), key=lambda entry: -entry[1][key])
    ]
    if as_json:
        print_json({"system": system, "rows": rows, "names": names_of(run)})
    elif as_csv:
        print_csv(rows)
    else:
        _print_rows(rows, names_of(run), f"{system}, match after match in the order of the plan")


def games(
    wheres: Wheres,
    *,
    run: Annotated[
        list[str] | None, typer.Option("--run", help="Which run of a ledger; several given vote.")
    ] = None,
    purpose: Purpose = "tournament",
    measure: Annotated[
        str, typer.Option("--measure", help="What counts in a meeting: win, or difference of scores.")
    ] = "win",
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """What a rating can't say: Nash averaging, alpha-rank, deviation ratings; several runs vote."""
    from contextlib import ExitStack

    from league.source import opened
    from league.standings import analysed, voted
    from marl.errors import ConfigError

    if run and len(wheres) > 1:
        raise ConfigError(
            "--run",
            got=f"{len(wheres)} places",
            expected="one ledger",
            remedy="Join them by `marl ledger merge`.",
        )
    asked = [(wheres[0], name) for name in run] if run else [(where, None) for where in wheres]
    notes: list[str] = []
    with ExitStack() as stack:
        sources = [stack.enter_context(opened(*entry)) for entry in asked]
        if len(sources) > 1:
            found, notes = voted(sources, purpose)
        else:
            analysis, names = analysed(sources[0], purpose, measure)
    if len(sources) > 1:
        rows = [
            {
                "player": player,
                "tier": tier,
                "copeland": found.copeland[player],
                "lottery": found.lottery[player],
            }
            for tier, players in enumerate(found.tiers, 1)
            for player in players
        ]
        title = f"{found.voters} runs vote: Schulze's tiers, Copeland's scores, the maximal lottery"
        data, names = found.to_json() | {"notes": notes}, dict[str, str]()
    else:
        data = analysis.to_json()
        rows = data["rows"]
        cyclic = (
            "" if analysis.cyclic is None else f"; {100 * analysis.cyclic:.1f} % of the payoffs are cyclic"
        )
        unmet = f"; {analysis.unmet} pairs never met and count as even" if analysis.unmet else ""
        title = f"The game of choosing a player, by {analysis.measure}{cyclic}{unmet}"
    if as_json:
        print_json(data)
    elif as_csv:
        print_csv(rows)
    else:
        _print_rows(rows, names, title)
        for note in notes:
            console().print(note, highlight=False, markup=False)


def _print_rows(rows: list[dict[str, Any]], names: dict[str, str], title: str) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left", min_width=80)
    columns = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    table.add_column("player", overflow="fold")
    for name in columns[1:]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        figures = [
            f"{row[name]:.3f}" if isinstance(row[name], float) else str(row[name]) for name in columns[1:]
        ]
        table.add_row(names.get(row["player"], row["player"]), *figures)
    console().print(table)
