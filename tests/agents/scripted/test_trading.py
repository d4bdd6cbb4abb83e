"""The scripted traders speak the market's language, play legally, and are worth beating."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from agents import make_policy
from agents.scripted import wishes
from agents.scripted.trading import SCRIPTED
from arenas.trading import TradingBatch, actions
from marl.batch import LocalPool
from marl.play import Match, Play, Player
from marl.spec import Ticket

BLOCKS, COPIES = 64, 32


def profits(first: str, second: str, action: str = "discrete") -> NDArray[np.float64]:
    """Final profits of two players over blocks of two matches with seats swapped, (blocks x 2, player)."""
    pool = LocalPool([TradingBatch({"seats": 2, "taker_fee": 0.1, "action": action})], COPIES)
    spec = pool.spec
    players = {f"{name} {i}": Player(make_policy(name, spec)) for i, name in enumerate((first, second))}

    def schedule(copy: int, episode: int) -> Match | None:
        number = copy * (2 * BLOCKS // COPIES) + episode
        if episode == 2 * BLOCKS // COPIES:
            return None
        order = list(players) if number % 2 else list(players)[::-1]
        return Match(Ticket(number, number // 2), dict(zip(spec.seats, order, strict=True)))

    found = []
    for outcome in Play(pool, schedule, players).run():
        by_player = {player: outcome.score[seat] for seat, player in outcome.match.lineup.items()}
        found.append([by_player[player] for player in players])
    return np.array(found)


def test_choices_are_numbered_as_the_arena_numbers_them() -> None:
    """The agents' own numbering of choices is the arena's."""
    assert tuple(actions.OFFSETS) == wishes.OFFSETS
    market = [wishes.market(side, size) for side, size in itertools.product(range(2), range(3))]
    limit = [
        wishes.limit(side, offset, size)
        for side, offset, size in itertools.product(range(2), wishes.OFFSETS, range(2))
    ]
    assert market == list(range(actions.MARKET, actions.LIMIT))
    assert limit == list(range(actions.LIMIT, actions.CANCEL))


@pytest.mark.parametrize("name", ["buy_and_hold", "maker", "momentum", "zi_c"])
def test_choices_in_numbers_earn_what_choices_earn(name: str) -> None:
    """Where actions are four numbers a trader's choices are worth what they are worth as choices."""
    whole, free = (profits(name, "hold", action)[:, 0] for action in ("discrete", "continuous"))
    error = np.hypot(whole.std(), free.std()) / len(whole) ** 0.5
    assert abs(whole.mean() - free.mean()) < 3 * error + 5.0


@pytest.mark.parametrize("name", list(SCRIPTED))
def test_each_beats_random_by_far(name: str) -> None:
    """Head to head, each earns more than random legal play, with four standard errors to spare."""
    gap = np.subtract(*profits(name, "random").T).reshape(BLOCKS, 2).mean(1)
    assert gap.mean() > 4 * gap.std() / BLOCKS**0.5


def test_random_play_loses_money() -> None:
    """Random legal play pays the spread."""
    assert profits("random", "hold")[:, 0].mean() < -200


def test_hold_keeps_its_money() -> None:
    """Who never trades ends with nothing gained or lost."""
    assert (profits("hold", "random")[:, 0] == 0).all()


def test_maker_earns_from_the_crowd() -> None:
    """Against a rival that holds, the maker's profit is above zero with three standard errors to spare."""
    profit = profits("maker", "hold")[:, 0]
    assert profit.mean() > 3 * profit.std() / len(profit) ** 0.5


def test_a_row_decides_alike_in_any_batch() -> None:
    """The same matches give the same scores again."""
    np.testing.assert_array_equal(profits("zi_c", "maker"), profits("zi_c", "maker"))
