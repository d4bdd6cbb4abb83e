"""From an arena and a learner to the tuned settings that there are for them, put under one's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agents.tuned import presets_of, read_options, read_preset, read_scale
from arenas import ARENAS, full_spec
from marl.errors import UnknownNameError
from marl.loading import ArenaRef, build, load

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO, NONE = "auto", "none"


def place_of(arena: str, options: Mapping[str, Any]) -> str:
    """Where presets lie: by our arenas' short names, others' modules, Gymnasium's ids."""
    full = full_spec(arena)
    short = {spec: name for name, spec in ARENAS.items()}.get(full)
    if short == "gymnasium":
        return f"{short}/{options.get('id', '')}"
    return short or full.partition(":")[0].replace(".", "/")


def tuned(values: Mapping[str, Any], asked: str) -> tuple[dict[str, Any], str]:
    """A league's settings as plain data with a preset's under what they say, and which preset it was.

    `asked`: "none"; "auto", which is the learner's name where there is such a preset; a name among the
    arena's presets, or "ARENA/NAME". UnknownNameError lists what there is.
    """
    learner = dict(values.get("learner", {}))
    place, name = place_of(values["arena"], values.get("options", {})), learner.get("name", "ppo")
    known = presets_of(place)
    if asked == NONE or (asked == AUTO and name not in known):
        return dict(values), ""
    if asked != AUTO and "/" not in asked and asked not in known:
        raise UnknownNameError(f"preset for {values['arena']}", asked, [*known, NONE])
    preset = asked if "/" in asked else f"{place}/{name if asked == AUTO else asked}"
    learner["settings"] = {**read_preset(preset), **learner.get("settings", {})}
    scale, pool = read_scale(preset), dict(values.get("pool", {}))
    if scale.rollout is not None:
        learner.setdefault("rollout", scale.rollout)
    if scale.overlap is not None:
        learner.setdefault("overlap", scale.overlap)
    if scale.copies is not None:
        pool.setdefault("copies", scale.copies)
    return {**values, "learner": learner, "pool": pool}, preset


def differing(preset: str, arena: str, options: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Which options of an arena are not those that a preset was tuned with: (then, now) by name.

    Nothing where the preset does not say. Where the arena's defaults are not known an option counts that
    both sides say.
    """
    then = read_options(preset)
    if then is None:
        return {}
    defaults = _defaults(full_spec(arena))
    tuned_with, asked = _plain({**defaults, **then}), _plain({**defaults, **options})
    return {
        name: (tuned_with[name], asked[name])
        for name in tuned_with
        if name in asked and asked[name] != tuned_with[name]
    }


def _defaults(arena: str) -> Mapping[str, Any]:
    """An arena's options where nobody says any; {} where it does not tell, or something has to be said."""
    target = load(arena)
    model = getattr(target, "options_type", None) or getattr(target, "Options", None)
    fields = getattr(model, "model_fields", {}).values()
    if not fields or any(field.is_required() for field in fields):
        return {}
    return build(ArenaRef(arena)).spec.options


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has them, where tuples are lists."""
    found: dict[str, Any] = json.loads(json.dumps(options))
    return found
