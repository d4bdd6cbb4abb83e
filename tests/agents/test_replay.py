"""The replay: successors are true ones, sums end where they must, and what is overwritten is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agents.replay import Store
from agents.returns import n_step
from marl.errors import ConfigError
from marl.policy import ILLEGAL
from tests.agents.material import fragment_of, learner_of, role_of, spec_of

if TYPE_CHECKING:
    from marl.fragment import Fragment
    from marl.spec import Role

GAMMA = 0.9


def material(
    seed: int = 0, *, faults: bool = False, action: str = "discrete", length: int = 6
) -> tuple[Role, Fragment]:
    """A role of three seats, and a fragment of it whose decisions are made at the step of their place."""
    role = role_of(action=action, masked=True)
    spec = spec_of(role, state_size=4)
    rng = np.random.default_rng(seed)
    fragment = fragment_of(spec, role, learner_of(spec).policy, rng, faults=faults, length=length)
    fragment.time_TR[:] = np.arange(length)[:, None]
    return role, fragment


def slot_of(store: Store, fragment: Fragment, written: Any, time: int, row: int) -> int:  # noqa: ANN401  # slots
    """Where a decision went: the slot that holds what it saw."""
    leaf = store._steps[fragment.role.name].observation[0]
    seat = fragment.seat_R[row]
    found = [i for i in written if (leaf[i, seat] == fragment.observation[0][time, row]).all()]
    return next(int(i) for i in found if store.present_CN[i, seat])


def by_hand(fragment: Fragment, time: int, row: int, n: int, end: Any) -> tuple[float, float, int]:  # noqa: ANN401  # (T, R)
    """Sum, discount and the last decision of a chain, walked step by step."""
    total, weight = 0.0, 1.0
    for _ in range(n):
        total += weight * float(fragment.reward_TR[time, row])
        weight *= GAMMA
        if end[time, row]:
            break
        time += 1
    else:
        time -= 1
    return total, 0.0 if fragment.terminated_TR[time, row] else weight, time


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_chains_end_where_they_must(n: int) -> None:
    """Sums of n rewards stop at a termination (nothing behind), a truncation, the fragment's end."""
    _, fragment = material()
    end = fragment.cut_TR()
    total, discount, last = n_step(fragment.reward_TR, fragment.terminated_TR, end, GAMMA, n)
    for time, row in np.argwhere(fragment.valid_TR):
        expected = by_hand(fragment, time, row, n, end)
        assert (total[time, row], discount[time, row]) == pytest.approx(expected[:2], abs=1e-5)
        assert last[time, row] == expected[2]


@pytest.mark.parametrize("n", [1, 3])
def test_what_is_read_is_what_happened(n: int) -> None:
    """Each seat's observation, mask, action, sum and true successor, next to those of the same step."""
    role, fragment = material()
    store = Store([role], 200, 4, GAMMA, n, joint=False)
    written, teaches = store.add([fragment])
    batch = store.read(written[teaches], np.ones(int(teaches.sum()), np.float32))
    following, masks = fragment.next_observation()[0], fragment.next_mask_TRA()
    # who is truncated ends the others' chains of that step as well: they are bootstrapped there
    end = fragment.cut_TR()
    truncated = end & ~fragment.terminated_TR
    for time, row in np.argwhere(fragment.valid_TR):
        same = fragment.copy_R == fragment.copy_R[row]
        end[time, row] |= (truncated & fragment.valid_TR)[time, same].any()
    for time, row in np.argwhere(fragment.valid_TR):
        i = int(np.flatnonzero(batch.index_B == slot_of(store, fragment, written, time, row))[0])
        seat = fragment.seat_R[row]
        total, discount, last = by_hand(fragment, time, row, n, end)
        assert batch.present_BN[i, seat]
        assert batch.now["worker"].action_BnK[i, seat] == fragment.action_TRK[time, row]
        assert (batch.now["worker"].mask_BnA[i, seat] == fragment.mask_TRA[time, row]).all()
        assert batch.reward_BN[i, seat] == pytest.approx(total, abs=1e-5)
        assert batch.discount_BN[i, seat] == pytest.approx(discount, abs=1e-6)
        if discount:
            assert (batch.following["worker"].observation[0][i, seat] == following[last, row]).all()
            assert (batch.following["worker"].mask_BnA[i, seat] == masks[last, row]).all()
            assert batch.next_present_BN[i, seat]


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("n", [1, 3])
def test_states_are_those_of_the_step(n: int, *, joint: bool) -> None:
    """Of the decision, and of its true successor: at a cut the state seen there, not the next match's."""
    role, fragment = material(2, length=8)
    cuts, shape = fragment.cuts, fragment.valid_TR.shape
    copy, step = np.broadcast_to(fragment.copy_R, shape), np.indices(shape)[0]
    one, cut = np.ones(shape), np.ones(len(cuts.row_C))
    fragment.state_TRS = np.stack([copy, step, one, 0 * one], -1).astype(np.float32)
    at_cut = [fragment.copy_R[cuts.row_C], cuts.time_C + 1, 0 * cut, cut]
    cuts.state_CS = np.stack(at_cut, -1).astype(np.float32)
    store = Store([role], 300, 4, GAMMA, n, joint=joint)
    written, teaches = store.add([fragment])
    batch = store.read(written[teaches], np.ones(int(teaches.sum()), np.float32))
    goes_on = (batch.discount_BN > 0).any(1)
    now, later = batch.state_BS[goes_on], batch.next_state_BS[goes_on]
    decisions = np.round(np.log(batch.discount_BN.max(1)[goes_on]) / np.log(GAMMA))
    assert (batch.state_BS[:, 2] == 1).all()
    assert (later[:, 0] == now[:, 0]).all()
    assert (later[:, 1] == now[:, 1] + decisions).all()
    assert 0 < later[:, 3].sum() < len(later), "some are cut, some go on"


def test_a_joint_store_shows_one_successor() -> None:
    """Who goes on is seen at one and the same slot, together; a seat that has terminated is not there."""
    role, fragment = material(3, length=8)
    store = Store([role], 200, 4, GAMMA, 3, joint=True)
    written, teaches = store.add([fragment])
    batch = store.read(written[teaches], np.ones(int(teaches.sum()), np.float32))
    goes_on = batch.discount_BN > 0
    own = store.next_CN[batch.index_B]
    for step in np.flatnonzero(goes_on.any(1)):
        assert len(set(own[step, goes_on[step]].tolist())) == 1
    assert (batch.next_present_BN[goes_on]).all()


def test_a_fallback_teaches_nothing() -> None:
    """Its own rows do not teach; in a joint store no seat of its step does."""
    role, fragment = material(1, faults=True)
    store, joint = (Store([role], 200, 4, GAMMA, 1, joint=joint) for joint in (False, True))
    written, _ = store.add([fragment])
    joint.add([fragment])
    bad = int(((fragment.source_TR == ILLEGAL) & fragment.valid_TR).sum())
    assert bad > 0
    assert store.teaches_CN.sum() == fragment.decisions - bad
    whole = (store.teaches_CN == store.present_CN).all(1)
    assert (joint.teaches_CN[written] == (store.teaches_CN & whole[:, None])[written]).all()


def test_boxes_are_kept_in_their_own_units() -> None:
    """What is drawn, clipped to the box as the arena's action is."""
    role, fragment = material(action="box")
    store = Store([role], 200, 0, GAMMA, 1, joint=False)
    fragment.state_TRS = fragment.state_TRS[:, :, :0]
    fragment.cuts.state_CS = fragment.cuts.state_CS[:, :0]
    written, _ = store.add([fragment])
    kept = store._steps["worker"].action_BnK
    assert np.abs(kept).max() == 1
    i = slot_of(store, fragment, written, 0, 0)
    assert kept[i, 0] == pytest.approx(np.clip(fragment.extras["drawn"][0, 0], -1, 1))


def test_the_ring_overwrites_the_oldest() -> None:
    """After many updates in a small ring every successor that is referred to is still what it was."""
    role, _ = material()
    store = Store([role], 97, 4, GAMMA, 3, joint=False)
    follows: dict[int, Any] = {}
    for seed in range(30):
        _, fragment = material(seed)
        written, teaches = store.add([fragment])
        follows = {slot: seen for slot, seen in follows.items() if slot not in set(written.tolist())}
        taught = written[teaches]
        batch = store.read(taught, np.ones(len(taught), np.float32))
        follows |= dict(zip(taught.tolist(), batch.following["worker"].observation[0], strict=True))
        slots = np.array(sorted(follows))
        again = store.read(slots, np.ones(len(slots), np.float32))
        for i, slot in enumerate(slots.tolist()):
            held = (again.discount_BN[i] > 0) & again.present_BN[i]
            assert (again.following["worker"].observation[0][i, held] == follows[slot][held]).all()
    assert store.size == 97


def test_an_update_that_does_not_fit_is_refused() -> None:
    """Rather than overwriting its own beginning; the error says what to change."""
    role, fragment = material()
    with pytest.raises(ConfigError, match="Raise the learner's capacity"):
        Store([role], 10, 4, GAMMA, 1, joint=False).add([fragment])


def test_more_than_memory_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is taken, with what it takes: later, the system would end the process."""
    role, _ = material()
    small = Store([role], 1000, 4, GAMMA, 1, joint=False)
    needed = 1000 * sum(array.nbytes for array in small._arrays().values())
    monkeypatch.setattr("agents.replay.available_bytes", lambda: needed)
    Store([role], 10**6, 4, GAMMA, 1, joint=False)
    monkeypatch.setattr("agents.replay.available_bytes", lambda: needed - 1)
    with pytest.raises(ConfigError, match=rf"1000000, which takes {needed / 2**30:.1f} GiB.*Lower the"):
        Store([role], 10**6, 4, GAMMA, 1, joint=False)


def test_a_store_goes_on_from_its_state() -> None:
    """Loaded into another one, both read the same, and the next update goes to the same slots."""
    role, fragment = material()
    store, other = (Store([role], 97, 4, GAMMA, 3, joint=False) for _ in range(2))
    for seed in range(5):
        store.add([material(seed)[1]])
    other.load({name: array.copy() for name, array in store.state().items()})
    assert (store.add([fragment])[0] == other.add([fragment])[0]).all()
    for name, array in store.state().items():
        assert (array == other.state()[name]).all(), name
