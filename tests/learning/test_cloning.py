"""Clones do what their teachers did, show what they were worth, and are where PPO goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agents import load_snapshot
from agents.checkpoint import pack
from agents.cloning import Cloning, CloningSettings, Teacher, demonstrations
from agents.ppo import PPO
from arenas import full_spec
from marl.batch import LocalPool
from marl.errors import SpecError
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player, in_order
from marl.policy import Decision
from marl.spec import Ticket
from tests.agents.material import assert_same

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from marl.policy import Policy

AIM = "tests.learning.toys:Aim"
IDENTITY = "identity"


def towards(observation: NDArray[np.float32]) -> NDArray[np.float32]:
    """A teacher of the toy Aim: half of what is asked for, so that a clone can be told from a solution."""
    return np.float32(0.5) * observation


def same(observation: int) -> int:
    """A teacher of identity: the wrong answer, always the same."""
    return 1 + 0 * int(np.asarray(observation).ravel()[0])


def pool_of(arena: str, copies: int = 8) -> LocalPool:
    """Copies of a toy."""
    return LocalPool([build(ArenaRef(full_spec(arena), {}))], copies)


def play_all(pool: LocalPool, who: str) -> Callable[[int, int], Match]:
    """Matches in which one player has all seats."""
    lineup = dict.fromkeys(pool.spec.seats, who)
    return lambda copy, episode: Match(Ticket(copy + 1000 * episode, copy + 1000 * episode), lineup)


def cloned(arena: str, teacher: str, noise: float, **settings: Any) -> tuple[Cloning, dict[str, float]]:
    """A clone of a teacher by 400 of its steps."""
    with pool_of(arena) as pool:
        shown = demonstrations(pool, f"tests.learning.test_cloning:{teacher}", 50, 0, noise)
        learner = Cloning(pool.spec, CloningSettings(**{"minibatch": 64, "lr": 0.01, **settings}), 0)
    return learner, learner.update(shown)


def answers(policy: Policy, arena: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Observations and greedy answers over matches of other seeds."""
    with pool_of(arena) as pool:
        lineup = dict.fromkeys(pool.spec.seats, "me")
        plan = [Match(Ticket(i, 10**6 + i), lineup) for i in range(80)]
        play = Play(pool, in_order(plan, pool.copies), {"me": Player(policy, greedy=True, record=True)})
        fragment = play.collect(20)[0]
    valid = fragment.valid_TR
    return fragment.observation[0][valid], fragment.action_TRK[valid]


@pytest.mark.parametrize("box", ["clipped", "squashed"])
def test_a_clone_of_a_box_answers_as_its_teacher(box: str) -> None:
    """Half of what it sees, to 5 thousandths of a box of 0.2: the teacher's answer, not the toy's best."""
    learner, _ = cloned(AIM, "towards", 0.1, box=box)
    seen, answer = answers(learner.policy, AIM)
    assert np.abs(answer - 0.5 * seen).max() < 0.005


def test_a_clone_of_choices_answers_as_its_teacher() -> None:
    """The teacher's answer, whatever is right."""
    learner, figures = cloned(IDENTITY, "same", 0.0)
    assert (answers(learner.policy, IDENTITY)[1] == 1).all()
    assert figures["policy_loss"] < 0.7


def test_the_critic_learns_what_the_teacher_was_worth() -> None:
    """Where values can be told from what is seen, the critic explains most of them after a clone."""
    with pool_of(AIM) as pool:
        shown = demonstrations(pool, "tests.learning.test_cloning:towards", 50, 0)
        settings = CloningSettings(gamma=0.0, minibatch=64, lr=0.01)
        learner = Cloning(pool.spec, settings, 0)
    before, after = (learner.update(shown)["explained_variance"] for _ in range(2))
    assert before < 0.2
    assert after > 0.6


def test_the_critic_learns_whole_returns() -> None:
    """Whatever `lam`: a critic that knows nothing cannot stand for the rest of a return."""
    kept = [pack(cloned(AIM, "towards", 0.1, lam=lam)[0]._kept()) for lam in (0.0, 0.9)]
    assert_same(*kept)


def test_ppo_begins_with_an_optimiser_that_has_seen_nothing(tmp_path: Path) -> None:
    """One step moves no parameter by more than lr; after a fit's small gradients it would, several times."""
    learner, _ = cloned(AIM, "towards", 0.1)
    settings = {"lr": 1e-3, "epochs": 1, "minibatch": 10_000, "normalise": False, "max_grad_norm": 1e9}
    with pool_of(AIM) as pool:
        ppo = PPO(pool.spec, PPO.Settings.read("ppo", settings), 1)
        ppo.restore(learner.checkpoint(tmp_path))
        play = Play(pool, play_all(pool, "me"), {"me": Player(ppo.policy, record=True)})
        before = {name: p.detach().clone() for name, p in ppo.policy.nets["archer"].named_parameters()}
        ppo.update(play.collect(16))
    moved = [
        float((p - before[name]).abs().max().detach())
        for name, p in ppo.policy.nets["archer"].named_parameters()
    ]
    assert 0 < max(moved) <= 1.001e-3


def test_a_shaking_hand_keeps_what_it_wanted() -> None:
    """Played is what was wanted plus noise of the spread asked for, within the box; `drawn` has no noise."""
    still, shaken = (
        demonstrations(pool_of(AIM), "tests.learning.test_cloning:towards", 200, 0, noise)[0]
        for noise in (0.0, 0.2)
    )
    half = 0.1
    for fragment in (still, shaken):
        assert fragment.extras["drawn"] == pytest.approx(0.5 * fragment.observation[0] / half, abs=1e-5)
    assert still.action_TRK == pytest.approx(still.extras["drawn"] * half, abs=1e-6)
    off = shaken.action_TRK / half - shaken.extras["drawn"]
    assert abs(off.mean()) < 0.02
    assert off.std() == pytest.approx(0.2, abs=0.02)
    assert np.abs(shaken.action_TRK).max() <= half + 1e-6


def test_ppo_goes_on_from_a_clone(tmp_path: Path) -> None:
    """PPO that restores a clone answers as it did, explores with the spread it left, and then beats it."""
    learner, _ = cloned(AIM, "towards", 0.1, box="squashed", explore=0.3)
    settings = {"box": "squashed", "lr": 0.003, "gamma": 0.0, "epochs": 4, "minibatch": 64, "entropy": 0.0}
    with pool_of(AIM, 32) as pool:
        ppo = PPO(pool.spec, PPO.Settings.read("ppo", settings), 1)
        ppo.restore(learner.checkpoint(tmp_path))
        seen, answer = answers(ppo.policy, AIM)
        assert (answer == answers(learner.policy, AIM)[1]).all()
        log_std = ppo.policy.nets["archer"].log_std
        assert log_std is not None
        assert float(log_std.detach()) == pytest.approx(np.log(0.3))
        frozen = load_snapshot(learner.snapshot(tmp_path, {}), pool.spec)
        assert (answers(frozen, AIM)[1] == answer).all()
        play = Play(pool, play_all(pool, "me"), {"me": Player(ppo.policy, record=True)})
        for _ in range(40):
            ppo.update(play.collect(16))
    assert ppo.decisions > 0
    after = answers(ppo.policy, AIM)[1]
    assert np.abs(after - seen).mean() < 0.5 * np.abs(answer - seen).mean()


def test_a_teacher_without_boxes_is_played_as_it_is() -> None:
    """Choices have no noise."""

    class Fixed:
        memory_size = 0

        def act(self, *asked: Any, greedy: bool) -> Decision:
            del greedy
            return Decision(np.ones((len(asked[4]), 1), np.int64))

    with pool_of(IDENTITY) as pool:
        fragment = Play(
            pool,
            lambda copy, episode: Match(
                Ticket(copy + 100 * episode, copy), dict.fromkeys(pool.spec.seats, "t")
            ),
            {"t": Player(Teacher(pool.spec, Fixed(), 0.5), record=True)},
        ).collect(5)[0]
    assert (fragment.action_TRK[fragment.valid_TR] == 1).all()


@pytest.mark.parametrize("settings", [{"memory": 4}, {"spread": "state"}], ids=str)
def test_what_cannot_be_cloned_is_refused(settings: dict[str, Any]) -> None:
    """Memory, and a spread that follows the observation, are named with the remedy."""
    with pool_of(AIM) as pool, pytest.raises(SpecError, match="without memory"):
        Cloning(pool.spec, CloningSettings(**settings), 0)
