"""Memory in play: cleared where a match begins, carried over fragments, the same in learning as in acting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.learning.practice import Practice

SETTINGS: dict[str, Any] = {"memory": 6, "hidden": [8], "gamma": 0.9}


def practice(rollout: int, **more: Any) -> Practice:
    """Recall with matches of 7 steps, so that fragments end in the middle of them."""
    return Practice(
        "tests.learning.toys:Recall", 0, {**SETTINGS, **more}, options={"steps": 7}, copies=4, rollout=rollout
    )


@pytest.mark.parametrize("separate", [False, True])
def test_values_over_a_fragments_end_are_those_of_one_long_fragment(*, separate: bool) -> None:
    """Two fragments of 10 steps and one of 20 hold the same decisions, and values but for rounding."""
    long = practice(20, separate=separate)
    (whole,) = long._play.collect(20)
    short = practice(10, separate=separate)
    parts = [short._play.collect(10)[0] for _ in range(2)]
    actor_critic = long.learner._parts["pupil"]
    values, at_cuts = actor_critic.value(actor_critic.see(whole), whole)
    assert np.array_equal(np.concatenate([part.action_TRK for part in parts]), whole.action_TRK)
    found = [actor_critic.value(actor_critic.see(part), part) for part in parts]
    np.testing.assert_allclose(np.concatenate([value for value, _ in found]), values, atol=1e-5)
    # the value of the true successor at the first fragment's end is that of the next decision
    ends = parts[0].cuts.time_C == 9
    assert ends.any()
    rows = parts[0].cuts.row_C[ends]
    going = ~whole.first_TR[10, rows]
    assert going.any()
    np.testing.assert_allclose(found[0][1][ends][going], values[10, rows][going], atol=1e-5)
    assert len(at_cuts) > len(ends) - ends.sum()


def test_memory_is_zero_at_the_start_of_a_match() -> None:
    """A row that begins a match values its first observation as a fresh one does."""
    run = practice(20)
    (fragment,) = run._play.collect(20)
    assert fragment.first_TR[7].all()
    assert fragment.first_TR[1:7].sum() == 0
    part = run.learner._parts["pupil"]
    seen = part.see(fragment)
    values, _ = part.value(seen, fragment)
    seen.memory_RM += 10
    assert np.array_equal(part.value(seen, fragment)[0][7:], values[7:])
    fragment.first_TR[7] = False
    assert not np.allclose(part.value(part.see(fragment), fragment)[0][7:], values[7:])


def test_a_fragment_holds_the_memory_before_its_first_decision() -> None:
    """Unrolled from it, the policy gives the log-probabilities that were kept in play."""
    run = practice(10, epochs=1, minibatch=10_000)
    run._play.collect(10)
    (fragment,) = run._play.collect(10)
    assert fragment.memory_RM.any()
    figures = run.learner.update([fragment])
    assert abs(figures["kl"]) < 1e-6
    assert figures["clip_fraction"] == 0
