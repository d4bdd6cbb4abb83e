"""Scripted players for PettingZoo's connect four, from weak to strong; equal moves are drawn.

A board is two whole numbers, own discs and the other's: bit 7 * column + row, the seventh bit of each column
always empty, so that four in a row are found by shifts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from marl.policy import PerRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from marl.policy import Policy
    from marl.spec import Spec

ROWS, COLUMNS, HEIGHT = 6, 7, 7
WIN = 1_000
_LINES = (1, HEIGHT, HEIGHT - 1, HEIGHT + 1)
_ORDER = (3, 2, 4, 1, 5, 0, 6)


def four(discs: int) -> bool:
    """Whether four of these discs are in a row."""
    for shift in _LINES:
        pairs = discs & (discs >> shift)
        if pairs & (pairs >> 2 * shift):
            return True
    return False


def lines(own: int, other: int) -> int:
    """Of all lines of four that the other does not block, the sum of own discs squared.

    Less the same for it.
    """
    score = 0
    for mask in _ALL_LINES:
        mine, theirs = (own & mask).bit_count(), (other & mask).bit_count()
        if not theirs:
            score += mine * mine
        elif not mine:
            score -= theirs * theirs
    return score


def _all_lines() -> tuple[int, ...]:
    found = []
    for column in range(COLUMNS):
        for row in range(ROWS):
            for right, up in ((0, 1), (1, 0), (1, -1), (1, 1)):
                cells = [(column + i * right, row + i * up) for i in range(4)]
                if all(0 <= c < COLUMNS and 0 <= r < ROWS for c, r in cells):
                    found.append(sum(1 << (c * HEIGHT + r) for c, r in cells))
    return tuple(found)


_ALL_LINES = _all_lines()


class Board:
    """Own discs, the other's, and the next free row of each column."""

    def __init__(self, observation: NDArray[np.int8]) -> None:
        """`observation`: (6, 7, 2), row 0 at the top; plane 0 own discs, plane 1 the other's."""
        planes = np.asarray(observation)[::-1]
        self.own, self.other = (
            sum(1 << int(c * HEIGHT + r) for r, c in zip(*np.nonzero(planes[:, :, plane]), strict=True))
            for plane in range(2)
        )
        self.free = [int(planes[:, c].any(axis=1).sum()) for c in range(COLUMNS)]

    def moves(self) -> list[int]:
        """Columns that are not full, the middle first."""
        return [column for column in _ORDER if self.free[column] < ROWS]

    def bit(self, column: int) -> int:
        """Where a disc falls."""
        return 1 << (column * HEIGHT + self.free[column])


class Player:
    """Draws among the moves that its `worth` finds best."""

    def reset(self, seat: str, seed: int) -> None:
        """Begin a match."""
        self._rng = np.random.default_rng([seed, int(seat.rpartition("_")[2])])

    def act(self, observation: NDArray[np.int8], mask: NDArray[np.uint8]) -> int:
        """A column."""
        del mask
        board = Board(observation)
        worth = self.worth(board)
        best = [column for column, value in worth.items() if value == max(worth.values())]
        return int(self._rng.choice(best))

    def worth(self, board: Board) -> Mapping[int, int]:
        """What each move is worth."""
        raise NotImplementedError


class Leftmost(Player):
    """The leftmost column that is free."""

    def worth(self, board: Board) -> Mapping[int, int]:
        """The fewer columns to the left the better."""
        return {column: -column for column in board.moves()}


class Centre(Player):
    """As near to the middle as it can."""

    def worth(self, board: Board) -> Mapping[int, int]:
        """The nearer to the middle the better."""
        return {column: -abs(column - 3) for column in board.moves()}


class Winner(Player):
    """Wins where it can at once; otherwise anything."""

    def worth(self, board: Board) -> Mapping[int, int]:
        """1 for a win."""
        return {column: int(four(board.own | board.bit(column))) for column in board.moves()}


class Blocker(Player):
    """Wins where it can at once, else takes the cell where the other would; otherwise anything."""

    def worth(self, board: Board) -> Mapping[int, int]:
        """2 for a win, 1 for a cell that the other would win by."""
        return {
            column: 2 * four(board.own | board.bit(column)) + four(board.other | board.bit(column))
            for column in board.moves()
        }


class Searcher(Player):
    """Alpha-beta to a depth, open lines counted at its end."""

    def __init__(self, depth: int) -> None:
        self._depth = depth

    def worth(self, board: Board) -> Mapping[int, int]:
        """The value of each move against the best answers."""
        found = {}
        for column in board.moves():
            bit = board.bit(column)
            board.free[column] += 1
            found[column] = (
                WIN * 100
                if four(board.own | bit)
                else -self._value(board, board.other, board.own | bit, self._depth - 1, -(10**9), 10**9)
            )
            board.free[column] -= 1
        return found

    def _value(self, board: Board, own: int, other: int, depth: int, low: int, high: int) -> int:
        """The value for who moves, within bounds; a sooner win is worth more."""
        moves = board.moves()
        if not moves:
            return 0
        if depth == 0:
            return lines(own, other)
        for column in moves:
            bit = board.bit(column)
            if four(own | bit):
                return WIN * (10 + depth)
            board.free[column] += 1
            low = max(low, -self._value(board, other, own | bit, depth - 1, -high, -low))
            board.free[column] -= 1
            if low >= high:
                break
        return low


def _of(make: Callable[[], Player]) -> Callable[[Spec], Policy]:
    def policy(spec: Spec) -> Policy:
        return PerRow(spec, make)

    return policy


SCRIPTED: Mapping[str, Callable[[Spec], Policy]] = {
    "alpha_beta_2": _of(partial(Searcher, 2)),
    "alpha_beta_4": _of(partial(Searcher, 4)),
    "blocker": _of(Blocker),
    "centre": _of(Centre),
    "leftmost": _of(Leftmost),
    "line_counter": _of(partial(Searcher, 1)),
    "winner": _of(Winner),
}
"""Name to factory."""
