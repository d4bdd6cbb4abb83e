"""Several seeds at once: each learner learns what it learns by itself, and stays a learner of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from agents.ppo import PPO
from agents.ppo_settings import PPOSettings
from agents.seeds import LARGEST, Seeds
from arenas import full_spec
from marl.batch import LocalPool
from marl.errors import DivergenceError, SpecError
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player
from marl.policy import POLICY
from marl.rng import seed_of
from marl.spec import Ticket
from tests.agents.material import fragment_of, role_of, spec_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from marl.fragment import Fragment
    from marl.spec import Spec

SMALL = {"hidden": (16, 16), "minibatch": 32, "epochs": 3}
COPIES, STEPS = 4, 20


def playing(seeds: Sequence[int], learners: Sequence[PPO], arena: str, options: dict[str, Any]) -> Play:
    """Each learner plays its seed's matches in copies of its own."""
    pool = LocalPool([build(ArenaRef(full_spec(arena), options))], COPIES * len(seeds))

    def match(copy: int, episode: int) -> Match:
        number, own = divmod(copy, COPIES)
        ticket = Ticket(copy + episode * 10**6, seed_of(seeds[number], own, episode))
        return Match(ticket, dict.fromkeys(pool.spec.seats, str(number)))

    players = {str(i): Player(learner.policy, record=True) for i, learner in enumerate(learners)}
    return Play(pool, match, players, want_state=learners[0].want_state)


def of_each(fragments: Sequence[Fragment], count: int) -> list[list[Fragment]]:
    """Fragments by learner."""
    return [[f for f in fragments if f.player == str(i)] for i in range(count)]


def weights_of(learner: PPO) -> list[torch.Tensor]:
    """Of all its networks."""
    return [p.detach().clone() for part in learner._parts.values() for p in part.parameters()]


def assert_alike(one: PPO, other: PPO) -> None:
    """Equal weights, but for rounding."""
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def spec_in(arena: str, options: dict[str, Any]) -> Spec:
    """The spec of an arena."""
    return LocalPool([build(ArenaRef(full_spec(arena), options))], 1).spec


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"memory": 8},
        {"separate": True, "critic": "state"},
        {"anneal_decisions": 300, "lr_end": 0.0},
        {"minibatch": LARGEST + 1},
    ],
)
def test_a_seed_learns_what_it_learns_by_itself(settings: dict[str, Any]) -> None:
    """Seed 1 beside 0 and 2 plays the same matches and ends with the weights of seed 1 alone."""
    spec = spec_in("spread", {})
    asked = PPOSettings(**{**SMALL, **settings})
    together = Seeds(spec, asked, [0, 1, 2])
    alone = PPO(spec, asked, 1)
    played = playing([0, 1, 2], together.each, "spread", {})
    played_alone = playing([1], [alone], "spread", {})
    for _ in range(3):
        found = together.update(of_each(played.collect(STEPS), 3))
        expected = alone.update(played_alone.collect(STEPS))
    assert_alike(together.each[1], alone)
    assert found[1]["explained_variance"] == pytest.approx(expected["explained_variance"], abs=1e-3)
    assert found[1]["lr"] == expected["lr"]
    assert together.each[1].decisions == alone.decisions
    first, _, third = (weights_of(learner) for learner in together.each)
    assert not torch.allclose(first[0], third[0])


def test_seeds_with_other_numbers_of_minibatches_learn_by_themselves() -> None:
    """Batches of other sizes are learned one after the other, in this update and after it."""
    spec = spec_of(role_of(seats=1))
    asked = PPOSettings(hidden=(8, 8), minibatch=16, epochs=2)
    together, rng = Seeds(spec, asked, [5, 6]), np.random.default_rng(0)
    alone = [PPO(spec, asked, seed) for seed in (5, 6)]
    for copies in ((20, 4), (8, 8)):
        fragments = [
            [fragment_of(spec, spec.roles[0], learner.policy, rng, copies=count)]
            for learner, count in zip(alone, copies, strict=True)
        ]
        together.update(fragments)
        for learner, own in zip(alone, fragments, strict=True):
            learner.update(own)
    for one, other in zip(together.each, alone, strict=True):
        assert_alike(one, other)
        np.testing.assert_array_equal(one.optimiser.steps, other._optimiser.steps)


def test_roles_are_learned_in_turn() -> None:
    """With two roles each seed's both networks learn."""
    spec = spec_of(role_of("worker"), role_of("guard", action="box", seats=2))
    asked = PPOSettings(hidden=(8, 8), minibatch=64, epochs=2)
    together, rng = Seeds(spec, asked, [1, 2]), np.random.default_rng(3)
    alone = PPO(spec, asked, 2)
    own = [fragment_of(spec, role, alone.policy, rng) for role in spec.roles]
    told = together.update([own, own])
    alone.update(own)
    assert_alike(together.each[1], alone)
    assert {"worker/kl", "guard/kl"} <= set(told[0])


def test_a_seed_goes_on_alone_from_its_checkpoint(tmp_path: Path) -> None:
    """A seed's checkpoint is an ordinary learner's, and goes on as the seed does; snapshots play alike."""
    spec = spec_in("spread", {})
    asked = PPOSettings(**SMALL)
    together = Seeds(spec, asked, [3, 4])
    play = playing([3, 4], together.each, "spread", {})
    together.update(of_each(play.collect(STEPS), 2))
    alone = PPO(spec, asked, 9)
    alone.restore(together.each[1].checkpoint(tmp_path))
    fragments = of_each(play.collect(STEPS), 2)
    together.update(fragments)
    alone.update(fragments[1])
    assert_alike(together.each[1], alone)
    assert together.each[0].snapshot(tmp_path, {}) != together.each[1].snapshot(tmp_path, {})


def test_a_seed_that_diverges_stops_all_where_they_are() -> None:
    """The error is PPO's own; weights are those before the minibatch, and the steps before it are counted."""
    spec = spec_of(role_of(seats=1))
    asked = PPOSettings(hidden=(8, 8), minibatch=16, epochs=1)
    together, alone, rng = Seeds(spec, asked, [5, 6]), PPO(spec, asked, 5), np.random.default_rng(0)
    good, bad = (fragment_of(spec, spec.roles[0], alone.policy, rng, copies=20) for _ in range(2))
    learned = bad.valid_TR & (bad.source_TR == POLICY)
    bad.extras["logp"][tuple(np.argwhere(learned)[-1])] = -np.inf  # in one minibatch of several
    with pytest.raises(DivergenceError, match="role"):
        together.update([[good], [bad]])
    for seed in together.each:
        assert all(torch.isfinite(weight).all() for weight in weights_of(seed))
        assert seed.optimiser.steps.min() > 0


def test_updates_that_stop_by_themselves_are_refused() -> None:
    """`target_kl` ends each seed's update at another place, which is said."""
    with pytest.raises(SpecError, match="target_kl"):
        Seeds(spec_of(role_of()), PPOSettings(target_kl=0.1), [0, 1])
