"""What can be known to be wrong before anything begins: told at once, not in the middle of a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agents import load_snapshot, make_policy, scripted_names
from agents.snapshot import read as read_snapshot
from league.formats import CrossPlay, Scenarios, by_scores
from league.formats.adaptive import Adaptive
from marl.errors import ConfigError, SnapshotError, UnknownNameError
from marl.loading import build

if TYPE_CHECKING:
    from collections.abc import Iterable

    from league.config import LeagueSettings, TournamentSettings
    from league.curriculum import Gate
    from marl.spec import Spec


def review(settings: LeagueSettings) -> Spec:
    """The arena's spec, where everything that the settings name is there and fits.

    Raises what building the arena raises; ConfigError and UnknownNameError for players, anchors and options;
    SnapshotError for a snapshot that is incomplete or altered.
    """
    arena = build(settings.ref())
    try:
        rules = settings.tournament
        for options in [settings.stage_options(stage) for stage in settings.stages]:
            arena.add_variant(options)
        if rules is not None:
            arena.add_variant(settings.tournament_options())
        spec = arena.spec
    finally:
        arena.close()
    for name in sorted(_scripted(settings)):
        make_policy(name, spec)
    for stage in settings.stages:
        if stage.gate is not None:
            _review_gate(f"league {settings.name}, stage {stage.name}: gate", stage.gate, spec)
    if rules is not None:
        _review_tournament(settings, rules, spec)
    return spec


def is_snapshot(name: str, spec: Spec) -> bool:
    """Whether a player's name means a snapshot's folder: scripted players and full specs come first."""
    return name not in scripted_names(spec.arena) and ":" not in name and (Path(name).is_dir() or "/" in name)


def _scripted(settings: LeagueSettings) -> set[str]:
    names = {name for stage in settings.stages for name in stage.opponents.players}
    return names.union(*(stage.gate.scripted for stage in settings.stages if stage.gate))


def _review_gate(where: str, gate: Gate, spec: Spec) -> None:
    """Whether the gate fits the arena: one side has nobody to beat, two sides have nobody to spare."""
    if len(spec.teams) < 2 and not gate.alone:
        raise ConfigError(
            f"{where}.against",
            got=f"{', '.join(gate.against)} in {spec.arena}, in which all seats are one side",
            expected="itself",
            remedy='Say against = ["itself"], metric = "score", and by score_range what is 0 and what is 1.',
        )
    if len(spec.teams) > 1 and gate.alone:
        raise ConfigError(
            f"{where}.against",
            got=f"itself in {spec.arena}, which has {len(spec.teams)} sides",
            expected="players to play against, or past",
        )


def _review_form(settings: LeagueSettings, rules: TournamentSettings, spec: Spec) -> None:
    """Whether the format fits the arena: who is judged by scores has no ratings, and the other way round."""
    form, where = rules.form(spec), f"league {settings.name}: tournament"
    scored = by_scores(form)
    if len(spec.teams) < 2 and not scored and rules.format is not None:
        raise ConfigError(
            f"{where}.format",
            got=f"{rules.format.kind} in {spec.arena}, in which all seats are one side",
            expected="cross_play or scenarios, which go by scores",
            remedy="Name no format: cross_play is what is played then.",
        )
    if len(spec.teams) > 1 and scored and not isinstance(form, Scenarios):
        raise ConfigError(
            f"{where}.format",
            got=f"cross_play, or a duel alone, in {spec.arena}",
            expected="an arena in which all are one side",
        )
    if len(spec.seats) == 1 and isinstance(form, CrossPlay) and not form.alone:
        raise ConfigError(
            f"{where}.format", got=f"pairs in {spec.arena}, which has one seat", expected="alone = true"
        )
    rated = {name: getattr(rules, name) for name in ("anchors", "must_beat") if getattr(rules, name)}
    if scored and rated:
        raise ConfigError(
            f"{where}.{min(rated)}", got="players named", expected="none: scores are compared, not ratings"
        )
    if isinstance(form, Scenarios):
        for entry in form.scenarios:
            entry.scenario.lineup(spec, ["somebody"], np.random.default_rng(0))


def _review_tournament(settings: LeagueSettings, rules: TournamentSettings, spec: Spec) -> None:
    _review_form(settings, rules, spec)
    background = rules.format.background if isinstance(rules.format, Scenarios) else ()
    for name in (*rules.players, *background):
        if not is_snapshot(name, spec):
            make_policy(name, spec)
        elif not Path(name).is_dir():
            raise SnapshotError(
                name, got="no such folder", expected="a snapshot's folder, or a player's name"
            )
        else:
            load_snapshot(Path(name), spec)
    outsiders = [entry.name for entry in rules.external]
    names = [*rules.players, *outsiders]
    where = f"league {settings.name}: tournament"
    own = [settings.player] if settings.stages else []
    doubles = [name for name, count in Counter([*own, *names]).items() if count > 1]
    doubles += [name for name in outsiders if name in _scripted(settings) - set(rules.players)]
    if doubles:
        raise ConfigError(where, got=f"{', '.join(doubles)} twice", expected="players of different names")
    if len(names) + len(own) < (1 if isinstance(rules.format, Scenarios) else 2):
        raise ConfigError(where, got=f"{', '.join(names) or 'nobody'}", expected="two players or more")
    if isinstance(rules.format, Adaptive):
        _review_budget(where, rules.format, len(names) + (1 + rules.ancestors if own else 0))
    rated = [name for name in names if not is_snapshot(name, spec)]
    _known(f"{where}.anchors", rules.anchors, rated)
    _known(f"{where}.must_beat", rules.must_beat, rated)
    if rules.must_beat and not settings.stages:
        raise ConfigError(
            f"{where}.must_beat",
            got=", ".join(rules.must_beat),
            expected="stages in which a main player is trained that could beat them",
        )


def _review_budget(where: str, form: Adaptive, players: int) -> None:
    """Whether every pair can meet at all: who never met is on no common scale."""
    pairs = players * (players - 1) // 2
    if pairs * form.first > form.budget:
        raise ConfigError(
            f"{where}.format.budget",
            got=f"{form.budget} blocks",
            expected=f"{pairs * form.first} at least: {form.first} of each of {pairs} pairs to begin with",
            remedy="Raise budget, or lower first.",
        )


def _known(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownNameError(where, name, known)


def snapshot_label(folder: Path) -> str:
    """What a snapshot of another run is called here; SnapshotError where it is incomplete or altered."""
    manifest, _ = read_snapshot(folder)
    return f"{manifest.get('lineage', {}).get('run', 'snapshot')}-{folder.name[:8]}"
