"""`Arena`, the base: seeding, time limits, books, casts and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from marl.arena import role_name
from marl.batch import LocalPool
from marl.errors import ActionError, ObservationError, SpecError
from marl.loading import ArenaRef, build
from marl.observations import as_mask
from marl.spec import Ticket
from tests.contract.toys import Doors, Leavers, Stages, TwoRoles


def test_the_readmes_kind_of_arena_needs_no_bookkeeping() -> None:
    """Lists become arrays of the declared dtype; ends, returns and live seats follow from the hooks."""
    arena = Leavers()
    observations, infos = arena.reset(seed=4)
    assert all(value.dtype == np.float32 for value in observations.values())
    assert infos == {seat: {} for seat in arena.seats}
    ends = []
    while arena.agents:
        live = list(arena.agents)
        seen, reward, terminated, truncated, _ = arena.step(dict.fromkeys(live, 0))
        assert list(seen) == list(reward) == list(terminated) == list(truncated) == live
        ends += [(seat, terminated[seat], truncated[seat]) for seat in live if seat not in arena.agents]
    assert ends == [(seat, True, False) for seat in arena.seats]
    assert arena.scores() == {f"leaver_{i}": sum(10 * t + i for t in range(1, i + 3)) for i in range(4)}


def test_the_time_limit_truncates_who_did_not_end() -> None:
    """At `max_steps` the live are cut off, and never flagged terminated as well."""
    arena = Stages(active=2, length=1)
    arena.reset(seed=0)
    *_, terminated, truncated, _ = arena.step({"worker_0": 0, "worker_1": 1})
    assert terminated == {"worker_0": False, "worker_1": False}
    assert truncated == {"worker_0": True, "worker_1": True}
    assert arena.agents == []


def test_reset_without_a_seed_goes_on() -> None:
    """The second match differs from the first, and the pair is repeatable from the first one's seed."""

    def pair() -> list[Any]:
        arena = TwoRoles()
        return [arena.reset(seed=3)[0]["runner_0"].tolist(), arena.reset()[0]["runner_0"].tolist()]

    first, second = pair()
    assert first != second
    assert pair() == [first, second]


def test_actions_come_in_the_outer_space() -> None:
    """Hooks get what PettingZoo's spaces hold: a start of -2 is no business of the author's."""
    arena = TwoRoles()
    arena.reset(seed=0)
    actions = {"scout_0": -2, "scout_1": 2, "runner_0": np.array([0, 9], np.float32)}
    assert arena.step(actions)[1] == {"scout_0": 0.0, "scout_1": 0.0, "runner_0": 0.0}
    with pytest.raises(ActionError, match=r"TwoRoles: action of scout_0.*got action 3"):
        arena.step({**actions, "scout_0": 3})


def test_steps_after_the_end_are_refused() -> None:
    """Whoever steps an arena that nobody is in is told to reset it."""
    with pytest.raises(ActionError, match="Call reset"):
        Stages().step({})


def test_masked_actions_are_refused_in_step() -> None:
    """The PettingZoo face judges by the mask that it handed out."""
    arena = Doors()
    observations, _ = arena.reset(seed=1)
    closed = int(np.argmin(observations["guest_0"]["action_mask"]))
    legal = int(np.argmax(observations["guest_0"]["action_mask"]))
    assert not observations["guest_0"]["action_mask"][closed]
    with pytest.raises(ActionError, match=f"Doors: action of guest_1.*choice {closed}, which is masked"):
        arena.step({"guest_0": legal, "guest_1": closed})
    arena.step({"guest_0": legal, "guest_1": legal})


def test_the_default_state_holds_all_seats() -> None:
    """Observations in seat order, Dicts flattened, zeros for seats that are absent."""
    arena = TwoRoles()
    arena.reset(seed=0)
    state = arena.state()
    assert state.shape == (2 * (9 + 1) + 2,)
    np.testing.assert_array_equal(state[:9], arena.picture.ravel())
    assert state[9] == 1 + arena.picture[0, 0, 0] % 4
    staged = Stages(active=1)
    staged.reset(seed=0)
    assert staged.state().tolist() == [0, 1, 0, 0, 0, 0, 0, 0]


def test_a_default_state_has_the_size_of_the_capacities() -> None:
    """Fewer seats under a stage's options leave zeros where the capacities' other seats would be."""
    ref = ArenaRef("tests.contract.toys:Stages", {"seats": 2, "active": 2}, {"seats": 4})
    with LocalPool([build(ref)], 1) as pool:
        pool.orders[0].want_state.fill(True)
        pool.orders[0].follow(0, Ticket(0, 0))
        pool.send(0)
        assert pool.receive(0).state_BS.tolist() == [[0, 2, 0, 2, 0, 0, 0, 0]]


def test_options_beyond_the_capacities_are_refused() -> None:
    """More seats than the capacities, or other spaces, are refused by name before any match."""
    small = ArenaRef("tests.contract.toys:Stages", {"seats": 6}, {"seats": 4})
    with pytest.raises(SpecError, match=r"seats.*worker_5.*Declare the largest stage"):
        build(small)
    arena = build(ArenaRef("arenas.identity:Identity", {"symbols": 4}))
    with pytest.raises(SpecError, match="other spaces for role reader"):
        arena.add_variant({"symbols": 5})
    with LocalPool([arena], 1) as pool:
        pool.orders[0].follow(0, Ticket(0, 0, 7))
        with pytest.raises(SpecError, match=r"variant of a ticket.*got 7"):
            pool.send(0)


def test_missing_spaces_are_told() -> None:
    """A role without a space is an error that names it."""

    class Half(TwoRoles):
        observation = {"scout": TwoRoles.observation["scout"]}  # noqa: RUF012  # declared once, as authors do

    with pytest.raises(SpecError, match="no space for role 'runner'"):
        Half()


@pytest.mark.parametrize(
    ("seat", "role"),
    [
        ("trader_0", "trader"),
        ("trader_10", "trader"),
        ("big_red_2", "big_red"),
        ("north", "north"),
        ("_3", "_3"),
    ],
)
def test_a_role_is_a_seats_name_without_number(seat: str, role: str) -> None:
    """As PettingZoo names agents."""
    assert role_name(seat) == role


@pytest.mark.parametrize("value", [[1, 0], [1.0, 0, 1], [[1, 0, 1]], [-1, 1, 1], 1])
def test_masks_of_other_forms_are_refused(value: object) -> None:
    """A mask is as many numbers 0 or 1 as there are choices: nothing is broadcast."""
    with pytest.raises(ObservationError, match=r"action mask.*3 numbers"):
        as_mask(value, 3, "here")
