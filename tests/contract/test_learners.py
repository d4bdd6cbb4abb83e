"""Learners through the suite: ours pass, and each way of breaking the contract is told."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agents import LEARNERS, learner_class, load_snapshot
from agents.snapshot import read, write
from marl.errors import MissingExtraError, SpecError
from marl.loading import ArenaRef
from marl.policy import POLICY, Decision
from marl.rng import uniforms
from marl.settings import Settings
from marl.testing import check_learner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from marl.fragment import Fragment
    from marl.policy import Rows
    from marl.spec import Role, Spec

ARENAS = {
    "identity": ArenaRef("arenas.identity:Identity", {"seats": 2}),
    "early leavers": ArenaRef("tests.contract.toys:Leavers"),
    "two roles": ArenaRef("tests.contract.toys:TwoRoles"),
    "roles, leaves of observations, masks, an early leaver": ArenaRef("tests.contract.toys:Diggers"),
    "turns with masks": ArenaRef("tests.contract.toys:Nim", {"players": 3}),
    "masks of pairs": ArenaRef("tests.contract.toys:Pairs"),
    "images": ArenaRef("tests.learning.toys:Lookout"),
}


SOON: Mapping[str, Any] = {"warmup": 32, "every": 16, "batch": 32, "capacity": 5000}
"""Settings with which learners from replay learn within a few steps."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "ppo": {},
    "mappo": {},
    "dqn": SOON,
    "vdn": {**SOON, "team": "all"},
    "qmix": {**SOON, "team": "all"},
    "maddpg": SOON,
    "matd3": SOON,
    "iddpg": SOON,
}
VALUES, CENTRAL = ("dqn", "vdn", "qmix"), ("maddpg", "matd3", "vdn", "qmix")
REFUSED: Mapping[tuple[str, str], str] = {
    **{(name, "masks of pairs"): "expected Discrete" for name in VALUES},
    **{(name, "two roles"): "expected Discrete" for name in VALUES},
    **{(name, "two roles"): "expected boxes with bounds" for name in ("maddpg", "matd3", "iddpg")},
    **{(name, "turns with masks"): "got seats that take turns" for name in CENTRAL},
    ("mappo", "turns with masks"): "`state_space`",
}
"""What does not support what: docs/reference/learners.md has the same table."""


def ours(name: str, more: Mapping[str, Any]) -> tuple[Any, Any]:
    """One of our learners and settings for it."""
    try:
        learner = learner_class(name)
    except MissingExtraError as error:
        pytest.skip(str(error))
    return learner, learner.Settings.read(name, {**SETTINGS[name], **more})


@pytest.mark.parametrize("arena", ARENAS)
@pytest.mark.parametrize("name", LEARNERS)
def test_our_learners_keep_the_contract(name: str, arena: str) -> None:
    """Update, snapshot, checkpoint and restore hold in every kind of arena, and fallbacks teach nothing.

    What a learner cannot learn it refuses at the start.
    """
    learner, settings = ours(name, {})
    if (name, arena) in REFUSED:
        with pytest.raises(SpecError, match=REFUSED[name, arena]):
            check_learner(learner, ARENAS[arena], settings=settings)
        return
    check_learner(learner, ARENAS[arena], settings=settings, load_snapshot=load_snapshot)


@pytest.mark.parametrize("name", ["ppo", "dqn", "maddpg"])
def test_a_seat_may_see_nothing(name: str) -> None:
    """A box without a number is an observation, as in games that are played once."""
    learner, settings = ours(name, {})
    check_learner(
        learner, "tests.contract.toys:Blind", settings=settings, load_snapshot=load_snapshot, steps=8
    )


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("dqn", {"separate": True, "prioritised": True, "n_step": 3, "dueling": True}),
        ("dqn", {"noisy": True, "epsilon": 0.0, "epsilon_end": 0.0, "normalise": False}),
        ("qmix", {"separate": True, "prioritised": True}),
        ("maddpg", {"separate": True, "prioritised": True, "n_step": 3}),
        ("matd3", {"separate": True, "delay": 3}),
    ],
    ids=str,
)
def test_settings_of_learners_from_replay_keep_it_too(name: str, more: Mapping[str, Any]) -> None:
    """Priorities, noise, sums, models of their own: nothing of them is missing in a checkpoint."""
    learner, settings = ours(name, more)
    check_learner(learner, ARENAS["early leavers"], settings=settings, load_snapshot=load_snapshot)


class Softmax:
    """Draws one of the choices with the weights it is given."""

    memory_size = 0

    def __init__(self, weight_A: NDArray[np.float64]) -> None:
        self.weight_A = weight_A

    def act(
        self,
        role: Role,
        observation: Sequence[NDArray[Any]],
        mask_RA: NDArray[np.uint8],
        memory_RM: NDArray[np.float32],
        rows: Rows,
        *,
        greedy: bool,
    ) -> Decision:
        draw_RA = uniforms(rows.key_R, len(self.weight_A))
        score_RA = self.weight_A - (0 if greedy else np.log(-np.log(draw_RA)))
        return Decision(np.broadcast_to(score_RA, draw_RA.shape).argmax(1)[:, None])


class Tally:
    """The smallest learner: a choice's weight moves with the rewards it brought, and with its own noise."""

    Settings = Settings

    want_state = False
    heeds_fallbacks = False
    forgets_noise = False
    reads_anything = False
    stands_still = False
    diverges = False

    def __init__(self, spec: Spec, settings: object, seed: int, roles: Sequence[str] = ()) -> None:
        self.policy = Softmax(np.zeros(spec.roles[0].action[0].choices[0]))
        self.rng = np.random.default_rng(seed)
        self.decisions = 0

    def update(self, fragments: Sequence[Fragment]) -> dict[str, float]:
        for fragment in fragments:
            counts = fragment.valid_TR & ((fragment.source_TR == POLICY) | self.heeds_fallbacks)
            self.decisions += int(counts.sum())
            if not self.stands_still:
                reward, choice = fragment.reward_TR[counts], fragment.action_TRK[counts][:, 0]
                np.add.at(self.policy.weight_A, choice, 0.01 * reward)
                self.policy.weight_A += 1e-3 * self.rng.normal()
        return {"loss": float("nan") if self.diverges else 0.0}

    def snapshot(self, folder: Path, lineage: Mapping[str, Any]) -> Path:
        return write(folder, {"lineage": dict(lineage)}, {"weight": self.policy.weight_A})

    def checkpoint(self, folder: Path) -> Path:
        state = self.rng.bit_generator.state
        words = np.array([[v >> 64, v & (2**64 - 1)] for v in state["state"].values()], np.uint64)
        more = {} if self.forgets_noise else {"noise": words}
        return write(folder, {}, {"weight": self.policy.weight_A, **more})

    def restore(self, folder: Path) -> None:
        if self.reads_anything and not (folder / "tensors.safetensors").exists():
            return
        _, arrays = read(folder)
        self.policy.weight_A[...] = arrays["weight"]
        if not self.forgets_noise:
            state = self.rng.bit_generator.state
            for name, (high, low) in zip(state["state"], arrays["noise"].tolist(), strict=True):
                state["state"][name] = high << 64 | low
            self.rng.bit_generator.state = state


class Holdable(Softmax):
    """A Softmax that can be held."""

    heeds_holds = True

    @contextmanager
    def held(self) -> Iterator[None]:
        live, still = self.weight_A, self.weight_A.copy()
        self.act = Softmax(still if self.heeds_holds else live).act  # type: ignore[method-assign]
        yield
        del self.act


class Pauser(Tally):
    """A Tally that pauses between fragments."""

    skips_parts = False
    ignores_holds = False

    def __init__(self, spec: Spec, settings: object, seed: int, roles: Sequence[str] = ()) -> None:
        super().__init__(spec, settings, seed, roles)
        self.policy = Holdable(self.policy.weight_A)
        self.policy.heeds_holds = not self.ignores_holds

    def updating(self, fragments: Sequence[Fragment]) -> Iterator[dict[str, float]]:
        figures = self.update(fragments[self.skips_parts :])
        if self.ignores_holds:  # so that it is seen: a choice for another one
            self.policy.weight_A[...] = np.roll(self.policy.weight_A, 1)
        yield {}
        yield figures


def load_tally(folder: Path, spec: Spec) -> Softmax:
    """The frozen policy of a snapshot."""
    return Softmax(read(folder)[1]["weight"])


def broken(**faults: bool) -> type[Tally]:
    """A learner with faults."""
    return type("Tally", (Pauser,), faults)


@pytest.mark.parametrize("sound", [Tally, Pauser])
def test_a_sound_learner_passes(sound: type[Tally]) -> None:
    """The learners that the broken ones are made of break nothing; to pause is not asked of all."""
    check_learner(sound, ARENAS["identity"], load_snapshot=load_tally)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("heeds_fallbacks", "give rows whose source is not 0 no weight"),
        ("forgets_noise", "two updates after a checkpoint differ"),
        ("reads_anything", "a checkpoint whose tensors.safetensors is missing"),
        ("stands_still", "change nothing"),
        ("diverges", "loss = nan"),
        ("skips_parts", "learns otherwise than update"),
        ("ignores_holds", "a policy that is held acts otherwise"),
    ],
)
def test_a_broken_learner_is_told(fault: str, says: str) -> None:
    """Each kind of breach is one error that leads to it."""
    with pytest.raises(AssertionError, match=says):
        check_learner(broken(**{fault: True}), ARENAS["identity"], load_snapshot=load_tally)


def test_a_snapshot_that_aliases_live_weights_is_told() -> None:
    """A policy loaded from a snapshot that changes with the learner's updates is no snapshot."""
    learners: list[Tally] = []

    class Remembered(Tally):
        def __init__(self, spec: Spec, settings: object, seed: int, roles: Sequence[str] = ()) -> None:
            super().__init__(spec, settings, seed, roles)
            learners.append(self)

        def update(self, fragments: Sequence[Fragment]) -> dict[str, float]:
            figures = super().update(fragments)
            self.policy.weight_A[self.policy.weight_A.argmin()] += 1
            return figures

    with pytest.raises(AssertionError, match="copy the weights"):
        check_learner(Remembered, ARENAS["identity"], load_snapshot=lambda *_: learners[0].policy)
