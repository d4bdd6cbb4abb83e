"""Bad input to arenas: each kind is one error that says where, what was got, what was expected."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arenas
from marl.batch import LocalPool
from marl.errors import (
    ActionError,
    ConfigError,
    MarlError,
    MissingExtraError,
    ObservationError,
    SpecError,
    UnknownNameError,
)
from marl.hosting import HostPool
from marl.loading import ArenaRef, build
from marl.spec import Ticket

NAN = float("nan")
CLOSED = 1
"""A seed with which the first door is closed."""


def act(name: str, action: object, seed: int = 0) -> object:
    """Play one action in the first seat of an arena, legal ones in the others."""
    env = arenas.make(name)
    observations, _ = env.reset(seed=seed)
    legal: dict[str, Any] = {}
    for seat in env.agents:
        mask = observations[seat]["action_mask"] if isinstance(observations[seat], dict) else None
        legal[seat] = env.action_space(seat).sample(mask)
    return env.step({**legal, env.agents[0]: action})


def step(ref: ArenaRef) -> None:
    """Begin a match in a pool of one copy."""
    with LocalPool([build(ref)], 1) as pool:
        pool.orders[0].follow(0, Ticket(0, 0))
        pool.send(0)


BAD: dict[str, tuple[Callable[[], object], type[MarlError], str]] = {
    "unknown arena": (
        lambda: arenas.make("identiy"),
        UnknownNameError,
        r"arena: got 'identiy'; expected one of .*biased_rps.*\. Did you mean 'identity'",
    ),
    "arena of an unknown package": (
        lambda: arenas.make("no_such_package.market:Market"),
        SpecError,
        r"'no_such_package.market:Market': got no module 'no_such_package'.*Install the package",
    ),
    "arena of an unknown module": (
        lambda: arenas.make("arenas.chess:Chess"),
        SpecError,
        r"got no module 'arenas.chess'.*run from the folder",
    ),
    "unknown class in a module": (
        lambda: arenas.make("arenas.identity:Identiti"),
        SpecError,
        r"got no 'Identiti' in arenas.identity; expected one of .*'Identity'",
    ),
    "arena without a module": (
        lambda: arenas.make(":Identity"),
        SpecError,
        r"got module ''; expected package.module",
    ),
    "class that is no arena": (
        lambda: arenas.make("pathlib:PurePath"),
        SpecError,
        r"'pathlib:PurePath': got PurePosixPath; expected a PettingZoo environment",
    ),
    "module without an environment": (
        lambda: arenas.make("os.path"),
        SpecError,
        "expected parallel_env or env in it",
    ),
    "unknown option": (
        lambda: arenas.make("identity", step=3),
        UnknownNameError,
        r"Identity: option: step: got 'step'; expected one of seats, steps, symbols. Did you mean 'steps'",
    ),
    "unknown option of a batched arena": (
        lambda: arenas.make("trading", horizont=3),
        UnknownNameError,
        r"horizont.*Did you mean 'horizon'",
    ),
    "unknown option of somebody else's arena": (
        lambda: arenas.make("mpe2.simple_spread_v3", max_cycle=3),
        SpecError,
        r"'mpe2.simple_spread_v3': got options \{'max_cycle': 3\}.*max_cycle",
    ),
    "option out of range": (
        lambda: arenas.make("identity", symbols=1),
        ConfigError,
        r"option: symbols: got 1; expected .*greater than or equal to 2",
    ),
    "option of another kind": (lambda: arenas.make("identity", symbols="many"), ConfigError, "got 'many'"),
    "wrong action shape": (
        lambda: act("identity", np.zeros(3)),
        ActionError,
        r"Identity: action of reader_0: got an action of shape \(3,\); expected shape \(\)",
    ),
    "wrong action shape, batched": (
        lambda: act("trading", np.zeros((2, 2))),
        ActionError,
        r"action of trader_0: got an action of shape \(2, 2\)",
    ),
    "NaN action": (
        lambda: act("identity", NAN),
        ActionError,
        "action of reader_0: got action nan; expected finite",
    ),
    "NaN action, batched": (
        lambda: act("trading", NAN),
        ActionError,
        "trader_0: got action nan; expected finite",
    ),
    "action out of range": (
        lambda: act("identity", 4),
        ActionError,
        r"got action 4; expected a value of Discrete\(4\)",
    ),
    "masked action": (
        lambda: act("tests.contract.toys:Doors", 0, seed=CLOSED),
        ActionError,
        r"Doors: action of guest_0: got choice 0, which is masked; expected one of \[",
    ),
    "observation outside its space": (
        lambda: step(ArenaRef("tests.contract.test_suite:OutOfItsSpace")),
        ObservationError,
        r"observation of walker_0: got values in \[.*\(seed 0, step 0\); expected values in \[-0.1.*Widen",
    ),
    "observation of another shape": (
        lambda: step(ArenaRef("tests.contract.test_suite:WrongShape")),
        ObservationError,
        r"walker_0: got float64 of shape \(1,\); expected float32 of shape \(2,\)",
    ),
    "unknown wrapper": (
        lambda: build(ArenaRef("mpe2.simple_spread_v3", wrap=("frame_stak_v1:3",))),
        UnknownNameError,
        "wrap.*'frame_stak_v1'.*Did you mean 'frame_stack_v",
    ),
    "wrapper with wrong arguments": (
        lambda: build(ArenaRef("mpe2.simple_spread_v3", wrap=("frame_stack_v1:3,4,5,6",))),
        SpecError,
        "wrap 'frame_stack_v1:3,4,5,6'.*arguments",
    ),
    "wrapper on a batched arena": (
        lambda: build(ArenaRef(arenas.full_spec("trading"), wrap=("frame_stack_v1:3",))),
        SpecError,
        "no wrappers on a batched arena.*use the arena's own options",
    ),
    "unknown option of a game of turns": (
        lambda: build(ArenaRef("pettingzoo.classic.tictactoe_v3", {"seats": 3})),
        SpecError,
        "seats",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_error(name: str) -> None:
    """Where, got, expected, and a remedy where there is one; in one line."""
    call, kind, says = BAD[name]
    with pytest.raises(kind, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_bad_arena_is_the_same_error_through_hosts() -> None:
    """What building raises here, a pool of hosts raises too, word for word."""
    ref = ArenaRef(arenas.full_spec("identity"), {"step": 3})
    with pytest.raises(UnknownNameError) as here:
        build(ref)
    with pytest.raises(UnknownNameError) as there:
        HostPool(ref, hosts=1, copies=1, groups=1)
    assert str(there.value) == str(here.value)


@pytest.mark.parametrize("package", ["supersuit"])
def test_a_missing_extra_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever needs an optional package names it, and the command that brings it."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'marl-league\[supersuit\]'"):
        build(ArenaRef("mpe2.simple_spread_v3", wrap=("frame_stack_v1:3",)))


def test_an_arena_whose_own_import_fails_names_the_package(tmp_path: Path) -> None:
    """A user's module that imports something missing: the missing package is named, not the module."""
    (tmp_path / "my_arena.py").write_text("import not_installed_here\n")
    code = "from marl.loading import load; load('my_arena:Mine')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "no module 'not_installed_here', which my_arena imports" in done.stderr
