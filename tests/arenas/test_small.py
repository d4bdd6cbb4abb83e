"""The one-file arenas: identity and the matrix games pay what their tables say."""

from __future__ import annotations

import numpy as np
import pytest

import arenas
from arenas.matrix import BiasedRPS, Climbing, MatchingPennies, Penalty, PrisonersDilemma


def test_identity_pays_who_repeats() -> None:
    """1 for the symbol that is seen, 0 for another; seats are independent; the score is the return."""
    env = arenas.make("identity", seats=3, symbols=5, steps=40)
    observations, _ = env.reset(seed=1)
    seen = []
    while env.agents:
        symbols = {seat: int(value.argmax()) for seat, value in observations.items()}
        seen.append(tuple(symbols.values()))
        actions = {
            seat: symbol if seat != "reader_2" else (symbol + 1) % 5 for seat, symbol in symbols.items()
        }
        observations, rewards, _, truncated, _ = env.step(actions)
        assert rewards == {"reader_0": 1.0, "reader_1": 1.0, "reader_2": 0.0}
    assert all(truncated.values())
    assert env.scores() == {"reader_0": 40.0, "reader_1": 40.0, "reader_2": 0.0}
    assert len(set(seen)) > 25


@pytest.mark.parametrize(
    ("name", "choices", "paid"),
    [
        ("matching_pennies", (0, 0), (1, -1)),
        ("matching_pennies", (0, 1), (-1, 1)),
        ("biased_rps", (0, 1), (-0.5, 0.5)),
        ("biased_rps", (2, 0), (-1, 1)),
        ("climbing", (0, 1), (-30, -30)),
        ("climbing", (2, 1), (6, 6)),
        ("penalty", (0, 2), (10, 10)),
        ("penalty", (2, 2), (-100, -100)),
        ("prisoners_dilemma", (0, 1), (0, 10)),
        ("prisoners_dilemma", (1, 1), (1, 1)),
    ],
)
def test_matrix_games_pay_their_tables(
    name: str, choices: tuple[int, int], paid: tuple[float, float]
) -> None:
    """Both seats are paid what the table says for their choices; the score is the mean of the rounds."""
    env = arenas.make(name, steps=3)
    env.reset(seed=0)
    for _ in range(3):
        _, rewards, _, _, _ = env.step(dict(zip(env.possible_agents, choices, strict=True)))
        assert tuple(rewards.values()) == pytest.approx(paid)
    assert tuple(env.scores().values()) == pytest.approx(paid)


def test_biased_rps_has_the_equilibrium_that_it_names() -> None:
    """Against (1/16, 10/16, 5/16) every choice is worth 0, whichever seat one has."""
    table = np.array(BiasedRPS.payoff)
    np.testing.assert_allclose(table, -table.T)
    np.testing.assert_allclose(table @ np.array([1, 10, 5]) / 16, 0, atol=1e-12)


def test_the_other_games_are_what_they_are_called() -> None:
    """A unique best corner, safe middle, miscoordination, dominance, zero sum."""
    climbing = np.array(Climbing.payoff)
    assert climbing.max() == climbing[0, 0] == 11
    assert (climbing == 11).sum() == 1
    np.testing.assert_allclose(climbing.mean(1), [-19 / 3, -23 / 3, 11 / 3])
    penalty = np.array(Penalty(penalty=-7.0).payoff)
    assert (penalty == 10).sum() == 2
    assert penalty[0, 0] == penalty[2, 2] == -7
    dilemma = np.array(PrisonersDilemma.payoff)
    assert (dilemma[1] > dilemma[0]).all()
    assert dilemma[0, 0] > dilemma[1, 1]
    pennies = np.array(MatchingPennies.payoff)
    np.testing.assert_array_equal(pennies.sum(0), 0)


def test_make_gives_plain_pettingzoo() -> None:
    """Short names and full specs, ours and others'."""
    assert arenas.make("mpe2.simple_spread_v3", max_cycles=3).possible_agents == [
        "agent_0",
        "agent_1",
        "agent_2",
    ]
    assert arenas.make("arenas.identity:Identity").possible_agents == ["reader_0"]
