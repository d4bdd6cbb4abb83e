"""Solvers find what is published, agree with other people's solvers, and are not fooled by clones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import ArrayLike

from league.block import BlockResult
from league.extensive import Node, best_response_value, uniform
from league.extensive import nash_conv as tree_nash_conv
from league.extensive import values as tree_values
from league.games import (
    alpha_rank,
    alpha_rank_joint,
    copeland,
    deviation_ratings,
    equilibrium,
    expected_payoffs,
    exploitability,
    judge_population,
    margins,
    maximal_lottery,
    meta_game,
    nash_averaging,
    nash_averaging_tasks,
    nash_conv,
    normalised,
    schulze,
    two_player,
    zero_sum,
)
from league.payoff import payoff
from marl.errors import ConfigError

RPS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
BIASED = np.array([[0, -25, 50], [25, 0, -5], [-50, 5, 0]])
CHICKEN = two_player([[0, 7], [2, 6]], [[0, 2], [7, 6]])
TRANSITIVE = np.array([[0, -1, -1], [1, 0, -1], [1, 1, 0]])


@pytest.mark.parametrize(
    ("game", "mix"),
    [(RPS, [1 / 3] * 3), (BIASED, [1 / 16, 10 / 16, 5 / 16]), ([[1, -1], [-1, 1]], [0.5, 0.5])],
)
def test_known_zero_sum_games(game: ArrayLike, mix: list[float]) -> None:
    """Vector V1: rock-paper-scissors, OpenSpiel's biased one, matching pennies: equilibrium and value 0."""
    row, column, value = zero_sum(game)
    assert row == pytest.approx(mix, abs=1e-9)
    assert column == pytest.approx(mix, abs=1e-9)
    assert value == pytest.approx(0, abs=1e-9)
    assert nash_conv(two_player(game), [row, column]) == pytest.approx(0, abs=1e-8)


def test_alpha_rank_of_known_games() -> None:
    """Vector V1.

    Biased RPS, prisoner's dilemma, stag hunt and battle of the sexes, as pyspiel 2.0.2 ranks.
    """
    assert alpha_rank(BIASED, 1.0) == pytest.approx([1 / 3] * 3, abs=1e-4)
    assert alpha_rank(BIASED) == pytest.approx([1 / 3] * 3, abs=1e-9)
    assert alpha_rank(BIASED, 0.1) == pytest.approx([0.2805, 0.4408, 0.2787], abs=1e-4)
    assert alpha_rank([[5, 0], [10, 1]], 1.0) == pytest.approx([0, 1], abs=1e-4)
    assert alpha_rank([[2, 0], [1, 1]], 0.1) == pytest.approx([0.0074, 0.9926], abs=1e-4)
    sexes = two_player([[3, 0], [0, 2]], [[2, 0], [0, 3]])
    expected = [[0.495, 0.005], [0.005, 0.495]]
    assert alpha_rank_joint(sexes) == pytest.approx(np.array(expected), abs=1e-3)


def test_three_player_matching_pennies() -> None:
    """Vector V1, Jordan 1993: all play both sides equally often in the only equilibrium."""
    game = np.zeros((3, 2, 2, 2))
    for a, b, c in np.ndindex(2, 2, 2):
        game[:, a, b, c] = (1 if a == b else -1, 1 if b == c else -1, 1 if c != a else -1)
    half = [[0.5, 0.5]] * 3
    assert nash_conv(game, half) == pytest.approx(0, abs=1e-12)
    assert nash_conv(game, [[0.6, 0.4], *half[1:]]) > 0.01
    assert expected_payoffs(game, half) == pytest.approx([0, 0, 0])


def test_alpha_rank_vector_of_han() -> None:
    """Vector V2 (OpenSpiel's alpharank_test.py, Han et al. 2013), without local selection."""
    rows = "0.875 0.75 0 2.75 0.75; 1 1 -1 -1 -1; 0 2 0 0 0; -2 2 0 0 0; 1 2 0 0 0"
    game = np.array([row.split() for row in rows.split(";")], float)
    expected = [0.40966787, 0.07959841, 0.20506998, 0.08505983, 0.2206039]
    assert alpha_rank(game, 0.1, population=20, local=False) == pytest.approx(expected, abs=1e-6)


def test_alpha_rank_never_overflows() -> None:
    """Where OpenSpiel's finite alpha gives NaN.

    Large payoffs and alphas tend to the infinite alpha's ranking.
    """
    for alpha in (10.0, 1000.0, 1e6):
        assert alpha_rank(BIASED, alpha) == pytest.approx([1 / 3] * 3, abs=1e-6)
    scaled = normalised(BIASED)
    assert scaled.min() == 0
    assert scaled.max() == 1


@dataclass(frozen=True)
class Kuhn:
    """Kuhn's poker of two: a card each of three, one chip in, one bet."""

    cards: tuple[int, ...] = ()
    moves: str = ""

    def is_terminal(self) -> bool:
        return self.moves in {"pp", "bp", "bb", "pbp", "pbb"}

    def is_chance_node(self) -> bool:
        return len(self.cards) < 2

    def chance_outcomes(self) -> list[tuple[int, float]]:
        left = [card for card in range(3) if card not in self.cards]
        return [(card, 1 / len(left)) for card in left]

    def legal_actions(self) -> list[int]:
        return [0, 1]

    def current_player(self) -> int:
        return len(self.moves) % 2

    def information_state_string(self) -> str:
        return f"{self.cards[self.current_player()]}{self.moves}"

    def returns(self) -> list[float]:
        if self.moves.endswith("bp"):
            won = 1.0 if len(self.moves) == 2 else -1.0
        else:
            won = (2.0 if "b" in self.moves else 1.0) * (1 if self.cards[0] > self.cards[1] else -1)
        return [won, -won]

    def child(self, action: int) -> Kuhn:
        if self.is_chance_node():
            return Kuhn((*self.cards, action))
        return Kuhn(self.cards, self.moves + "pb"[action])


def _kuhn_nash(node: Node) -> Mapping[int, float]:
    """Kuhn's equilibrium with alpha = 0.2."""
    bets = {"0": 0.2, "1": 0, "2": 0.6, "0p": 1 / 3, "1p": 0, "2p": 1}
    bets |= {"0b": 0, "1b": 1 / 3, "2b": 1, "0pb": 0, "1pb": 0.2 + 1 / 3, "2pb": 1}
    bet = bets[node.information_state_string()]
    return {0: 1 - bet, 1: bet}


def test_exploitability_of_kuhn_poker() -> None:
    """Vector V3 (OpenSpiel's exploitability_test.py).

    Uniform 11/12, always pass 2, the equilibrium 0, value -1/18.
    """
    assert tree_nash_conv(Kuhn(), uniform) == pytest.approx(11 / 12)
    assert tree_nash_conv(Kuhn(), lambda _: {0: 1.0}) == pytest.approx(2)
    assert tree_nash_conv(Kuhn(), _kuhn_nash) == pytest.approx(0, abs=1e-12)
    assert tree_values(Kuhn(), _kuhn_nash)[0] == pytest.approx(-1 / 18)
    assert best_response_value(Kuhn(), uniform, 0) > tree_values(Kuhn(), uniform)[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kuhn_poker", 11 / 12),
        ("kuhn_poker(players=3)", 2.0625),
        ("kuhn_poker(players=4)", 3.4760416667),
        pytest.param("tic_tac_toe", 1.9196593915, marks=pytest.mark.slow),
        pytest.param("liars_dice", 1.5614886464, marks=pytest.mark.slow),
        ("leduc_poker", 4.747222222222222),
    ],
)
def test_exploitability_of_openspiel_games(name: str, expected: float) -> None:
    """Vector V3: an OpenSpiel game is a tree as it stands, and the uniform policy's NashConv is theirs."""
    pyspiel = pytest.importorskip("pyspiel", reason="no OpenSpiel: pip install 'marl-league[oracles]'")
    root = pyspiel.load_game(name).new_initial_state()
    assert tree_nash_conv(root, uniform) == pytest.approx(expected, abs=1e-9)


def test_folding_costs_two_chips_at_leduc() -> None:
    """Vector V3 (OpenSpiel's exploitability_test.py): who always folds gives each other player a chip."""
    pyspiel = pytest.importorskip("pyspiel", reason="no OpenSpiel: pip install 'marl-league[oracles]'")
    root = pyspiel.load_game("leduc_poker").new_initial_state()
    assert tree_nash_conv(root, lambda node: {min(node.legal_actions()): 1.0}) == pytest.approx(2)


def test_nash_averaging_of_published_games() -> None:
    """Vector V12 (OpenSpiel's nash_averaging_test.py): transitive, agents against agents, against tasks."""
    mix, rating = nash_averaging(TRANSITIVE)
    assert mix == pytest.approx([0, 0, 1], abs=1e-6)
    assert rating == pytest.approx([-1, -1, 0], abs=1e-6)
    game = [[0, 234, 34, -270], [-234, 0, -38, -464], [-34, 38, 0, -270], [270, 464, 270, 0]]
    mix, rating = nash_averaging(game)
    assert mix == pytest.approx([0, 0, 0, 1], abs=1e-6)
    assert rating == pytest.approx([-270, -464, -270, 0], abs=1e-3)
    mix, _ = nash_averaging_tasks([[k, 10 * k, 100 * k] for k in (0, 1, 2, 3, 3)])
    assert mix == pytest.approx([0, 0, 0, 0.5, 0.5], abs=1e-6)


def test_clones_change_no_nash_average_and_no_deviation_rating() -> None:
    """Vectors V12 and V18g: rock doubled shares rock's weight; all ratings stay."""
    order = [0, 0, 1, 2]
    doubled = RPS[np.ix_(order, order)]
    mix, rating = nash_averaging(doubled)
    assert mix == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 3], abs=1e-6)
    assert rating == pytest.approx([0] * 4, abs=1e-6)
    rng = np.random.default_rng(5)
    game = two_player(rng.integers(-3, 4, (3, 3)), rng.integers(-3, 4, (3, 3)))
    more = game[:, order][:, :, [0, 1, 1, 2]]
    before, after = deviation_ratings(game), deviation_ratings(more)
    assert after[0] == pytest.approx(before[0][order], abs=1e-5)
    assert after[1] == pytest.approx(before[1][[0, 1, 1, 2]], abs=1e-5)


def test_equilibria_of_markets_and_teams() -> None:
    """Vector V15: the best correlated equilibrium of Aumann's chicken, and Shapley's game."""
    joint, welfare = equilibrium(CHICKEN)
    assert welfare == pytest.approx(10.5)
    assert joint == pytest.approx(np.array([[0, 0.25], [0.25, 0.5]]), abs=1e-7)
    shapley = two_player([[0, 1, 0], [0, 0, 1], [1, 0, 0]], [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert equilibrium(shapley)[1] == pytest.approx(1)
    assert equilibrium(shapley, "coarse")[1] == pytest.approx(1)
    widest, _ = equilibrium(two_player(RPS), aim="entropy")
    assert widest == pytest.approx(np.full((3, 3), 1 / 9), abs=1e-4)


@pytest.mark.parametrize(
    ("game", "expected"),
    [
        (two_player(RPS), [0, 0, 0]),
        (two_player(BIASED), [0, 0, 0]),
        (two_player([[5, 0], [10, 1]], [[5, 10], [0, 1]]), [-1, 0]),
        (two_player(TRANSITIVE), [-1, -1, 0]),
        (CHICKEN, [-1, -0.5]),
    ],
)
def test_deviation_ratings(game: ArrayLike, expected: list[float]) -> None:
    """Vector V15: the deviation ratings of five games, by linear programmes."""
    for ratings in deviation_ratings(game):
        assert ratings == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("n", "quantity", "profit"), [(2, 30, 900), (3, 22.5, 506.25), (4, 18, 324)])
def test_cournot_closed_forms(n: int, quantity: float, profit: float) -> None:
    """Vector V15: Cournot's quantity is a best response to itself, and its profit is the closed form's."""
    grid = np.linspace(0, 60, 241)
    others = (n - 1) * quantity
    profits = grid * (100 - grid - others - 10)
    assert grid[profits.argmax()] == pytest.approx(quantity, abs=0.126)
    assert profits.max() == pytest.approx(profit, abs=0.1)
    if n == 2:
        steps = grid[::24]
        table = steps[:, None] * (90 - steps[:, None] - steps[None, :])
        game = two_player(table, table.T)
        ratings = deviation_ratings(game)[0]
        assert ratings[np.argmin(np.abs(steps - 30))] == pytest.approx(0, abs=1e-6)


def test_figures_of_a_population() -> None:
    """Rock-paper-scissors is all cycle, an order of strength has none; returns and exploiters are counted."""
    assert judge_population(RPS).cyclic == pytest.approx(1)
    strength = np.array([3.0, 1.0, -4.0])
    ordered = judge_population(strength[:, None] - strength[None, :])
    assert ordered.cyclic == pytest.approx(0, abs=1e-12)
    assert ordered.population_return_P == pytest.approx(strength)
    assert ordered.exploitability_P == pytest.approx([0, 2, 7])
    assert ordered.aggregate_P == pytest.approx([3, -1, -11])
    assert exploitability(two_player(RPS), [[1, 0, 0], [1, 0, 0]]) == pytest.approx(1)
    with pytest.raises(ConfigError, match="antisymmetric"):
        judge_population([[0, 1], [1, 0]])


def test_a_game_of_what_was_played(duel: Callable[..., BlockResult]) -> None:
    """The payoff store becomes a zero-sum game; pairs that never met are even."""
    blocks = [duel("a", "b", 1, 1), duel("b", "c", 1, 0.5, position=1)]
    assert meta_game(payoff(blocks)) == pytest.approx(np.array([[0, 1, 0], [-1, 0, 0.5], [0, -0.5, 0]]))
    assert meta_game(payoff(blocks), "difference")[0, 1] == pytest.approx(1)


def test_arenas_vote() -> None:
    """Schulze's own example (45 voters, five candidates) is ranked E A C B D.

    A Condorcet cycle is a fair lottery.
    """
    ballots = {"ACBED": 5, "ADECB": 5, "BEDAC": 8, "CABED": 3, "CAEBD": 7, "CBADE": 2, "DCEBA": 7, "EBADC": 8}
    scores = np.array([[-ballot.index(name) for name in "ABCDE"] for ballot in ballots])
    margin = margins(scores, list(ballots.values()))
    assert schulze(margin) == [[4], [0], [2], [1], [3]]
    cycle = margins(np.array([[3, 2, 1], [1, 3, 2], [2, 1, 3]]))
    assert maximal_lottery(cycle) == pytest.approx([1 / 3] * 3, abs=1e-6)
    assert schulze(cycle) == [[0, 1, 2]]
    assert copeland(margins(np.array([[3, 2, 1], [2, 3, 1], [3, 1, math.nan]]))) == pytest.approx([2, 0, -2])


def test_bad_games_are_refused() -> None:
    """A shape that is no game, a rating of a game that is not antisymmetric."""
    with pytest.raises(ConfigError, match="payoffs of shape"):
        deviation_ratings([[1, 2], [3, 4]])
    with pytest.raises(ConfigError, match="antisymmetric"):
        nash_averaging([[0, 1], [1, 0]])
    with pytest.raises(ConfigError, match="matrix of finite"):
        zero_sum([[math.nan, 1]])
    with pytest.raises(ConfigError, match="square"):
        alpha_rank([[1, 2, 3], [4, 5, 6]])
