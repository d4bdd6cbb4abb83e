"""From a name to a running arena: `ArenaRef` says which one as plain data, `build` makes it batched.

Nothing is registered and nothing is scanned: a spec is "package.module:Attribute", or "package.module"
for a module with `parallel_env` or `env`, as PettingZoo's are.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from marl.errors import SpecError
from marl.spec import content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.batch import BatchArena


@dataclass(frozen=True)
class ArenaRef:
    """Which arena, with which options: plain data, the same in a process and over the wire.

    `arena` is a full spec. `capacity` are the options that fix spaces and seats (default: `options`
    themselves). `wrap` lists SuperSuit wrappers ("frame_stack_v1:4"), innermost first; masks are split
    off before them.
    """

    arena: str
    options: Mapping[str, Any] = field(default_factory=dict)
    capacity: Mapping[str, Any] | None = None
    wrap: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        capacity = None if self.capacity is None else dict(self.capacity)
        return {
            "arena": self.arena,
            "options": dict(self.options),
            "capacity": capacity,
            "wrap": list(self.wrap),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ArenaRef:
        """The reference that `to_json` wrote."""
        return cls(data["arena"], data["options"], data["capacity"], tuple(data["wrap"]))

    @property
    def hash(self) -> str:
        """Content hash."""
        return content_hash(self.to_json())


def load(spec: str, kind: str = "arena") -> Any:  # noqa: ANN401  # whatever the module holds
    """The object that "package.module:Attribute" names; SpecError says which part of the name fails."""
    module_name, _, attribute = spec.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise SpecError(
            f"{kind} {spec!r}", got=f"module {module_name!r}", expected="package.module:Attribute"
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if missing == module_name or module_name.startswith(f"{missing}."):
            raise SpecError(
                f"{kind} {spec!r}",
                got=f"no module {missing!r}",
                expected="package.module:Attribute",
                remedy="Install the package, or run from the folder that holds it.",
            ) from error
        raise SpecError(
            f"{kind} {spec!r}",
            got=f"no module {missing!r}, which {module_name} imports",
            expected="its dependencies installed",
            remedy=f"Install {missing}.",
        ) from error
    if not attribute:
        return module
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise SpecError(
            f"{kind} {spec!r}", got=f"no {attribute!r} in {module_name}", expected=f"one of {public[:20]}"
        )
    return getattr(module, attribute)


def make_env(ref: ArenaRef, options: Mapping[str, Any]) -> Any:  # noqa: ANN401  # a PettingZoo environment
    """One PettingZoo environment, parallel or AEC, of an arena that is not batched, wrapped as `ref` says."""
    target = load(ref.arena)
    if not callable(target):
        named = [name for name in ("parallel_env", "env") if hasattr(target, name)]
        if not named:
            raise SpecError(f"arena {ref.arena!r}", got="a module", expected="parallel_env or env in it")
        target = getattr(target, named[0])
    try:
        env = target(**options)
    except TypeError as error:
        raise SpecError(
            f"arena {ref.arena!r}",
            got=f"options {dict(options)}",
            expected="what it accepts",
            remedy=f"It said: {error}.",
        ) from error
    if not all(hasattr(env, name) for name in ("reset", "step", "possible_agents")):
        raise SpecError(f"arena {ref.arena!r}", got=type(env).__name__, expected="a PettingZoo environment")
    if ref.wrap:
        from marl.wrapping import wrapped  # SuperSuit is an extra

        env = wrapped(env, ref.wrap)
    return env


def build(ref: ArenaRef) -> BatchArena:
    """The arena as a BatchArena, not yet attached.

    Batched ones as they are, others through `Looped` or `Turns`.
    """
    from marl.batch import BatchArena  # keeps `import marl.loading` light

    target = load(ref.arena)
    if isinstance(target, type) and issubclass(target, BatchArena):
        if ref.wrap:
            raise SpecError(
                f"arena {ref.arena!r}",
                got=f"wrap {list(ref.wrap)}",
                expected="no wrappers on a batched arena",
                remedy="Wrappers see one PettingZoo environment at a time; use the arena's own options.",
            )
        return target(ref.options, ref.capacity)  # type: ignore[call-arg]  # the batched arenas' constructor
    from marl.hooked import Hooked
    from marl.looped import Looped, is_plain
    from marl.turns import Turns

    env = make_env(ref, ref.capacity if ref.capacity is not None else ref.options)
    try:
        if hasattr(env, "agent_iter"):
            return Turns(ref, env)
        return Hooked(ref, env) if is_plain(env) else Looped(ref, env)
    except BaseException:
        env.close()
        raise
