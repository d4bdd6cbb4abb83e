"""Third-party environments are stepped without checks that are made here anyway: the same matches come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpe2 import simple_spread_v3
from pettingzoo.classic import tictactoe_v3
from pettingzoo.utils.wrappers import BaseWrapper, OrderEnforcingWrapper

from marl.bare import bare
from marl.batch import LocalPool
from marl.errors import ActionError, ObservationError
from marl.loading import ArenaRef, build
from marl.spec import Ticket

tictactoe: Any = tictactoe_v3.env


class Strict(OrderEnforcingWrapper[str, Any, Any]):
    """A check of somebody's own."""


def test_only_pettingzoos_own_checks_go() -> None:
    """The first wrapper that does more, or that is derived from a check, stays with all that it wraps."""
    env = tictactoe()
    assert bare(env) is env.unwrapped
    for kept in (Strict(tictactoe()), BaseWrapper(tictactoe())):
        assert bare(OrderEnforcingWrapper(kept)) is kept
        assert type(kept.env) is OrderEnforcingWrapper
    parallel = simple_spread_v3.parallel_env()
    assert bare(parallel).aec_env is parallel.unwrapped


@pytest.mark.parametrize("seed", range(5))
def test_games_are_the_same_without_them(seed: int) -> None:
    """Turn by turn: who moves, what it sees, rewards and ends."""

    def game(env: Any) -> list[Any]:  # noqa: ANN401  # a PettingZoo environment
        rng = np.random.default_rng(seed)
        env.reset(seed=seed)
        told = []
        while env.agents:
            observation, reward, ended, cut, _ = env.last()
            told.append([env.agent_selection, reward, ended, cut])
            told.append([observation[key].tolist() for key in ("observation", "action_mask")])
            legal = np.flatnonzero(observation["action_mask"])
            env.step(None if ended or cut else int(rng.choice(legal)))
        return told

    assert game(bare(tictactoe())) == game(tictactoe())


def test_parallel_games_are_the_same_without_a_second_look() -> None:
    """Observations, rewards, ends and infos of every step; each observation is asked for once a step."""

    def game(env: Any) -> list[Any]:  # noqa: ANN401  # a PettingZoo environment
        rng = np.random.default_rng(1)
        told = [{seat: seen.tolist() for seat, seen in env.reset(seed=1)[0].items()}]
        while env.agents:
            observations, *others = env.step({seat: int(rng.integers(5)) for seat in env.agents})
            told += [{seat: seen.tolist() for seat, seen in observations.items()}, *map(dict, others)]
        return told

    looks: list[str] = []

    class Looked(BaseWrapper[str, Any, Any]):
        def observe(self, agent: str) -> Any:  # noqa: ANN401  # the game's space
            looks.append(agent)
            return self.env.observe(agent)

    made = [simple_spread_v3.parallel_env(max_cycles=4) for _ in range(2)]
    made[0].aec_env = Looked(made[0].aec_env)
    assert game(bare(made[0])) == game(made[1])
    assert len(looks) == 3 * 5


def test_what_they_checked_is_still_refused() -> None:
    """An action that is masked or outside its space never reaches the environment."""
    with LocalPool([build(ArenaRef("pettingzoo.classic.tictactoe_v3"))], 1) as pool:
        orders = pool.orders[0]
        action_BNK = orders.action["player"]
        orders.follow(0, Ticket(0, 0))
        pool.send()
        action_BNK[0] = 4
        pool.send()
        with pytest.raises(ActionError, match=r"player_2.*masked"):
            pool.send()
        action_BNK[0] = 9
        with pytest.raises(ActionError, match=r"action \[9\]"):
            pool.send()


class Scrawled(BaseWrapper[str, Any, Any]):
    """Its masks hold what masks do not."""

    def observe(self, agent: str) -> Any:  # noqa: ANN401  # the game's space
        """The second turn's mask is written on."""
        seen: Any = self.env.observe(agent)
        if not seen["action_mask"].all():
            seen["action_mask"][0] = -1
        return seen


def scrawled() -> Scrawled:
    """Tic-tac-toe with such masks."""
    return Scrawled(tictactoe())


def test_masks_of_other_numbers_are_refused() -> None:
    """The error names the seat, the seed and the step."""
    with LocalPool([build(ArenaRef(f"{__name__}:scrawled"))], 1) as pool:
        pool.orders[0].follow(0, Ticket(0, 7))
        with pytest.raises(ObservationError, match=r"player_2: action mask.*seed 7, step 0.*0 or 1"):
            pool.send()
