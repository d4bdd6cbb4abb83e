"""SuperSuit wrappers by name, around what is left of an environment when its masks are split off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gymnasium import spaces
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseWrapper

from marl.errors import MissingExtraError, SpecError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Unmasked(ParallelEnv[str, Any, Any]):
    """An environment whose observations have lost their mask; `masks` are those of the latest step."""

    render_mode: str | None = None

    def __init__(self, env: Any) -> None:  # noqa: ANN401  # a PettingZoo parallel environment
        self._env = env
        self.metadata = env.metadata
        self.possible_agents = env.possible_agents
        self.masks: dict[str, Any] = {}
        self._spaces = {seat: _inner_space(env.observation_space(seat)) for seat in env.possible_agents}

    @property
    def agents(self) -> list[str]:  # type: ignore[override]  # the wrapped environment owns the list
        return list(self._env.agents)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self._env.action_space(agent)  # type: ignore[no-any-return]  # PettingZoo's

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
        observations, infos = self._env.reset(seed=seed, options=options)
        return self._split(observations), infos

    def step(self, actions: dict[str, Any]) -> Any:  # noqa: ANN401
        observations, *rest = self._env.step(actions)
        return (self._split(observations), *rest)

    def close(self) -> None:
        self._env.close()

    def state(self) -> Any:  # noqa: ANN401
        return self._env.state()

    def _split(self, observations: dict[str, Any]) -> dict[str, Any]:
        self.masks = {seat: value["action_mask"] for seat, value in observations.items()}
        return {seat: _inner(value) for seat, value in observations.items()}


class _Masked(ParallelEnv[str, Any, Any]):
    """The wrapped environment with its masks put back."""

    render_mode: str | None = None

    def __init__(self, env: Any, source: _Unmasked) -> None:  # noqa: ANN401  # a PettingZoo parallel environment
        self._env, self._source = env, source
        self.metadata = env.metadata
        self.possible_agents = env.possible_agents
        raw = source._env  # noqa: SLF001  # two halves of one wrapper
        self._spaces = {
            seat: spaces.Dict(
                {
                    "observation": env.observation_space(seat),
                    "action_mask": raw.observation_space(seat)["action_mask"],
                }
            )
            for seat in env.possible_agents
        }

    @property
    def agents(self) -> list[str]:  # type: ignore[override]  # the wrapped environment owns the list
        return list(self._env.agents)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self._env.action_space(agent)  # type: ignore[no-any-return]  # PettingZoo's

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
        observations, infos = self._env.reset(seed=seed, options=options)
        return self._join(observations), infos

    def step(self, actions: dict[str, Any]) -> Any:  # noqa: ANN401
        observations, *rest = self._env.step(actions)
        return (self._join(observations), *rest)

    def close(self) -> None:
        self._env.close()

    def _join(self, observations: dict[str, Any]) -> dict[str, Any]:
        masks = self._source.masks
        return {
            seat: {"observation": value, "action_mask": masks[seat]} for seat, value in observations.items()
        }


class _UnmaskedTurns(BaseWrapper[str, Any, Any]):
    """A turn-based environment whose observations have lost their mask."""

    def __init__(self, env: Any) -> None:  # noqa: ANN401  # a PettingZoo AEC environment
        super().__init__(env)
        self._spaces = {seat: _inner_space(env.observation_space(seat)) for seat in env.possible_agents}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._spaces[agent]

    def observe(self, agent: str) -> Any:  # noqa: ANN401  # the arena's space
        seen: Any = self.env.observe(agent)
        return _inner(seen)


class _MaskedTurns(BaseWrapper[str, Any, Any]):
    """The wrapped turn-based environment with its masks, asked of the one inside, put back."""

    def __init__(self, env: Any, inside: Any) -> None:  # noqa: ANN401  # PettingZoo AEC environments
        super().__init__(env)
        self._inside = inside
        self._spaces = {
            seat: spaces.Dict(
                {
                    "observation": env.observation_space(seat),
                    "action_mask": inside.observation_space(seat)["action_mask"],
                }
            )
            for seat in env.possible_agents
        }

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self._spaces[agent]

    def observe(self, agent: str) -> dict[str, Any]:
        mask = self._inside.observe(agent)["action_mask"]
        return {"observation": self.env.observe(agent), "action_mask": mask}


def wrapped(env: Any, names: Sequence[str]) -> Any:  # noqa: ANN401  # a PettingZoo environment
    """The environment inside SuperSuit wrappers, each "name:argument,argument", innermost first.

    Wrappers that put many environments together are not among them: that is what pools do.
    """
    try:
        import supersuit  # an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError("wrap", "supersuit", "supersuit") from error
    masked, turns = _has_mask(env), hasattr(env, "agent_iter")
    source: Any = env
    if masked:
        source = _UnmaskedTurns(env) if turns else _Unmasked(env)
    result = source
    known = [name for name in dir(supersuit) if name[-1:].isdigit() and "vec" not in name]
    for entry in names:
        name, _, arguments = entry.partition(":")
        if name not in known:
            raise UnknownNameError("wrap", name, known)
        try:
            result = getattr(supersuit, name)(
                result, *[_literal(text) for text in arguments.split(",") if text]
            )
        except (TypeError, ValueError, AssertionError) as error:
            raise SpecError(
                f"wrap {entry!r}",
                got=str(error) or "a refusal",
                expected="arguments that the wrapper takes, for these spaces",
            ) from error
    if not masked:
        return result
    return _MaskedTurns(result, env) if turns else _Masked(result, source)


def _literal(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _has_mask(env: Any) -> bool:  # noqa: ANN401  # a PettingZoo environment
    space = env.observation_space(env.possible_agents[0])
    return isinstance(space, spaces.Dict) and "action_mask" in space.spaces


def _inner_space(space: spaces.Space[Any]) -> spaces.Space[Any]:
    if not isinstance(space, spaces.Dict):
        return space
    rest = {key: sub for key, sub in space.spaces.items() if key != "action_mask"}
    return rest["observation"] if list(rest) == ["observation"] else spaces.Dict(rest)


def _inner(value: dict[str, Any]) -> Any:  # noqa: ANN401  # the arena's space
    rest = {key: part for key, part in value.items() if key != "action_mask"}
    return rest["observation"] if list(rest) == ["observation"] else rest
