"""Settings: frozen models with one default a field, read from plain data.

Whatever does not fit is one clear error.
"""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from marl.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pydantic.fields import FieldInfo


class Settings(BaseModel):
    """Base of all settings: immutable, unknown names are errors, every field has a description."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)

    @classmethod
    def read(cls, where: str, values: Mapping[str, Any]) -> Self:
        """Settings from plain data.

        UnknownNameError or ConfigError name the key, what it is, and what would fit.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            path = [str(part) for part in first["loc"]]
            place = f"{where}: {'.'.join(path)}" if path else where
            if first["type"] == "extra_forbidden":
                raise UnknownNameError(place, path[-1], _known(cls, path[:-1])) from error
            raise ConfigError(place, got=repr(first["input"]), expected=first["msg"]) from error


def _known(model: type[BaseModel], path: Iterable[str]) -> list[str]:
    """The field names of the model at a path of nested fields.

    The outermost model's where the path leaves models.
    """
    at: Any = model
    for part in path:
        field = at.model_fields.get(part) if isinstance(at, type) and issubclass(at, BaseModel) else None
        inner = field.annotation if field is not None else None
        candidates = [inner, *getattr(inner, "__args__", ())]
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if nested:
            at = nested[0]
    return list(at.model_fields)


_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def allowed(field: FieldInfo) -> str:
    """The values that a field takes, as "2 to 64", "above 0" or "value, mid"; empty where any of its type."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(map(str, get_args(field.annotation)))
    bounds = {name: getattr(part, name) for name in _BOUNDS for part in field.metadata if hasattr(part, name)}
    if bounds.keys() == {"ge", "le"}:
        return f"{bounds['ge']} to {bounds['le']}"
    return ", ".join(f"{_BOUNDS[name]} {bound}" for name, bound in bounds.items())


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; ConfigError with file and line where it can't be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(str(path), got="no such file", expected="a TOML file of settings") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), got=str(error), expected="valid TOML") from error


def about(path: Path) -> str:
    """What a TOML file says of itself: its first comment, on one line."""
    told = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        told.append(line.removeprefix("#").strip())
    return " ".join(told)


def override(values: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """The values with `a.b=v` assignments put in; v is JSON where it is JSON, else a string."""
    result: dict[str, Any] = json.loads(json.dumps(dict(values)))
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise ConfigError(
                f"--set {assignment}", got=repr(assignment), expected="name=value, as learner.lr=1e-3"
            )
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        *path, last = name.split(".")
        at: Any = result
        for part in path:
            at = at[_index(assignment, at, part)] if isinstance(at, list) else at.setdefault(part, {})
            if not isinstance(at, dict | list):
                raise ConfigError(
                    f"--set {assignment}", got=f"{part} is {at!r}", expected="a table to set a value in"
                )
        if isinstance(at, list):
            at[_index(assignment, at, last)] = value
        else:
            at[last] = value
    return result


def _index(assignment: str, entries: list[Any], text: str) -> int:
    if not text.isdigit() or int(text) >= len(entries):
        expected = f"a number from 0 to {len(entries) - 1}" if entries else "no entry: the list is empty"
        raise ConfigError(f"--set {assignment}", got=repr(text), expected=expected)
    return int(text)
