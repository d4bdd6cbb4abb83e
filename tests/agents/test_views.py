"""Critics' views: all observations and actions without padding, the own action fresh, others' as played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from agents.views import View
from tests.agents.material import role_of

if TYPE_CHECKING:
    from torch import Tensor

    from agents.views import Look

ROWS = 7
WORKER, GUARD = role_of("worker", "discrete", 3), role_of("guard", "box", 2, features=4)
ROLES = (WORKER, GUARD)
SEEN, DONE = 3 * 5 + 2 * 4, 3 * 4 + 2 * 2


def look_of(view: View, present: Tensor) -> Look:
    """Random observations and actions of both roles."""
    generator = torch.Generator().manual_seed(0)
    seen = {"worker": (3, ROWS, 5), "guard": (2, ROWS, 4)}
    done = {"worker": (3, ROWS, 4), "guard": (2, ROWS, 2)}
    made = [
        {name: torch.randn(shape, generator=generator) for name, shape in side.items()}
        for side in (seen, done)
    ]
    return view.look(made[0], made[1], present)


@pytest.mark.parametrize("separate", [False, True])
def test_a_joint_view_holds_all_and_replaces_the_own_action_only(*, separate: bool) -> None:
    """Each seat's row differs from what was played in its own numbers, and nowhere else."""
    view = View(ROLES, joint=True, separate=separate)
    look = look_of(view, torch.ones(ROWS, 5, dtype=torch.bool))
    for role, first, size in ((WORKER, 0, 4), (GUARD, 12, 2)):
        seats = len(role.seats)
        fresh = torch.full((seats, ROWS, size), 9.0)
        played, changed = view.rows(role, look), view.rows(role, look, fresh)
        assert played.shape == (seats, ROWS, view.size(role))
        assert view.size(role) == SEEN + DONE + (0 if separate else seats)
        for seat in range(seats):
            own = slice(SEEN + first + seat * size, SEEN + first + (seat + 1) * size)
            assert (changed[seat, :, own] == 9).all()
            differs = (changed[seat] != played[seat]).any(0)
            assert set(torch.nonzero(differs).flatten().tolist()) == set(range(own.start, own.stop))
            if not separate:
                assert (played[seat, :, SEEN + DONE :] == torch.eye(seats)[seat]).all()


def test_gradients_reach_the_own_action_only() -> None:
    """What the value of a seat's row is differentiated by is that seat's action, not its fellows'."""
    view = View(ROLES, joint=True, separate=False)
    look = look_of(view, torch.ones(ROWS, 5, dtype=torch.bool))
    fresh = torch.zeros(3, ROWS, 4, requires_grad=True)
    view.rows(WORKER, look, fresh)[1].sum().backward()  # type: ignore[no-untyped-call]  # torch's is not typed
    assert fresh.grad is not None
    assert (fresh.grad[1] == 1).all()
    assert not fresh.grad[[0, 2]].any()


def test_who_is_not_there_is_zeros() -> None:
    """In everybody's view: seats that left, or that frozen players hold."""
    present = torch.ones(ROWS, 5, dtype=torch.bool)
    present[:, [1, 4]] = False
    view = View(ROLES, joint=True, separate=True)
    rows = view.rows(WORKER, look_of(view, present))
    zeros = [*range(5, 10), *range(19, 23), *range(SEEN + 4, SEEN + 8), *range(SEEN + 14, SEEN + 16)]
    assert not rows[:, :, zeros].any()
    kept = [i for i in range(SEEN + DONE) if i not in zeros]
    assert rows[:, :, kept].all()


def test_an_own_view_is_the_seat_alone() -> None:
    """Its observation and its action, of its own size."""
    view = View(ROLES, joint=False, separate=False)
    look = look_of(view, torch.ones(ROWS, 5, dtype=torch.bool))
    assert torch.equal(view.rows(GUARD, look), torch.cat([look.seen["guard"], look.done["guard"]], -1))
    assert view.size(GUARD) == 6
