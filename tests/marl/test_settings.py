"""Settings: one clear error for whatever does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from marl.errors import ConfigError, UnknownNameError
from marl.settings import Settings, override, read_toml


class Inner(Settings):
    rate: float = Field(0.1, gt=0, description="how fast")


class Outer(Settings):
    inner: Inner = Inner()
    steps: int = Field(5, ge=1, description="how many")


def test_unknown_keys_name_the_nearest() -> None:
    """At any depth: where, what, and what was probably meant."""
    with pytest.raises(UnknownNameError, match=r"file: inner.rte.*Did you mean 'rate'"):
        Outer.read("file", {"inner": {"rte": 1}})
    with pytest.raises(UnknownNameError, match="Did you mean 'steps'"):
        Outer.read("file", {"stesp": 1})


def test_values_that_do_not_fit_are_told() -> None:
    """Where, what was got, what would fit."""
    with pytest.raises(ConfigError, match=r"file: inner.rate: got -1; expected .*greater than 0"):
        Outer.read("file", {"inner": {"rate": -1}})
    with pytest.raises(ConfigError, match="got 'many'"):
        Outer.read("file", {"steps": "many"})


def test_overrides_reach_into_tables_and_lists() -> None:
    """JSON where it is JSON, else a string; the given values stay as they were."""
    given = {"a": {"b": 1}, "list": [{"c": 1}, {"c": 2}]}
    result = override(given, ["a.b=2.5", "a.new=word", "list.1.c=[3]", "top=true"])
    assert result == {"a": {"b": 2.5, "new": "word"}, "list": [{"c": 1}, {"c": [3]}], "top": True}
    assert given["a"] == {"b": 1}


@pytest.mark.parametrize(
    "assignment", ["a", "=1", "a.b.c=1", "list.2.c=1", "list.x=1", "list.-1=1", "empty.0=1"]
)
def test_overrides_that_lead_nowhere_are_told(assignment: str) -> None:
    """One error that quotes the assignment."""
    with pytest.raises(ConfigError, match=r"--set"):
        override({"a": {"b": 1}, "list": [{"c": 1}, {"c": 2}], "empty": []}, [assignment])


def test_files_that_are_no_toml_are_told(tmp_path: Path) -> None:
    """File, and line where there is one."""
    with pytest.raises(ConfigError, match="no such file"):
        read_toml(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("a = 1\nb = = 2\n")
    with pytest.raises(ConfigError, match=r"bad.toml.*line 2"):
        read_toml(bad)
