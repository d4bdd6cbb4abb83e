"""Learning beside play: which weights played what, whatever the time it takes; who can't is refused."""

from __future__ import annotations

import copy
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from agents import learner_class
from agents.distributions import evaluate
from agents.features import features
from agents.learner import Pausing
from agents.rounds import rounds
from marl.batch import LocalPool
from marl.errors import ConfigError, DivergenceError
from marl.loading import ArenaRef, build
from marl.match import Match, Player
from marl.play import Play
from marl.policy import ILLEGAL
from marl.spec import Ticket
from tests.agents.material import fragments_of, learner_of, role_of, spec_of, weights_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from agents.networks import ActorNet
    from agents.rounds import Round
    from marl.fragment import Fragment

ME = "learner"
FAST: Mapping[str, Any] = {"hidden": [8], "lr": 0.05, "epochs": 4, "minibatch": 16}
SOON: Mapping[str, Any] = {"hidden": [8], "warmup": 16, "every": 8, "batch": 16, "capacity": 500}
IDENTITY = ArenaRef("arenas.identity:Identity", {"seats": 2, "steps": 5})
NIM = ArenaRef("tests.contract.toys:Nim")


class Moody(LocalPool):
    """A pool whose steps seem to be done whenever `moods` says so."""

    def __init__(self, ref: ArenaRef, moods: Sequence[bool]) -> None:
        super().__init__([build(ref), build(ref)], 3)
        self._moods = itertools.cycle(moods)

    def ready(self, wait_s: float = 0.0) -> list[int]:
        return super().ready(wait_s) if next(self._moods) else []


class Trial:
    """A learner in a pool that it plays all seats of; `made` are its rounds."""

    def __init__(
        self,
        name: str = "ppo",
        settings: Mapping[str, Any] = FAST,
        *,
        ref: ArenaRef = IDENTITY,
        moods: Sequence[bool] = (True,),
        overlap: bool = True,
    ) -> None:
        self.pool = Moody(ref, moods)
        made = learner_class(name)
        self.learner = made(self.pool.spec, made.Settings.read(name, dict(settings)), 0)
        lineup = dict.fromkeys(self.pool.spec.seats, ME)
        self.play = Play(
            self.pool,
            lambda c, e: Match(Ticket(c + 100 * e, 7 * c + e), lineup),
            {ME: Player(self.learner.policy, record=True)},
        )
        self._overlap = overlap

    def rounds(self, decisions: float = math.inf) -> Iterator[Round]:
        """Of 4 steps."""
        return rounds(self.play, self.learner, ME, 4, decisions, overlap=self._overlap)


def logp_TR(net: ActorNet, trial: Trial, fragment: Fragment) -> np.ndarray[Any, Any]:
    """What a net thinks of the actions of a fragment."""
    with torch.inference_mode():
        x = torch.from_numpy(features(fragment.role, fragment.observation)).unsqueeze(0)
        out, _ = net(x, torch.zeros(1, x.shape[1], 0))
        action = torch.from_numpy(fragment.action_TRK.astype(np.int64)).flatten(0, 1).unsqueeze(0)
        heads = trial.learner.policy.heads[fragment.role.name]
        logp, _ = evaluate(heads, out, None, None, action)
    return np.asarray(logp.numpy().reshape(fragment.valid_TR.shape))


@pytest.mark.parametrize("moods", [(True,), (False,), (False, False, True)], ids=str)
def test_a_fragment_is_one_update_behind(moods: Sequence[bool]) -> None:
    """All but the first are played by the weights, and moments of inputs, before the last update."""
    trial = Trial(moods=moods)
    (name,) = trial.learner.policy.nets
    nets = [copy.deepcopy(trial.learner.policy.nets[name])]
    for number, made in enumerate(itertools.islice(trial.rounds(), 5)):
        (fragment,) = made.fragments
        acted = logp_TR(nets[max(0, number - 1)], trial, fragment)
        np.testing.assert_allclose(fragment.extras["logp"], acted, rtol=0, atol=1e-6)
        if number:
            assert np.abs(fragment.extras["logp"] - logp_TR(nets[number], trial, fragment)).max() > 1e-3
        nets.append(copy.deepcopy(trial.learner.policy.nets[name]))


@pytest.mark.parametrize("ref", [IDENTITY, NIM], ids=["at once", "turns"])
@pytest.mark.parametrize(("name", "settings"), [("ppo", FAST), ("ppo", {**FAST, "memory": 4}), ("dqn", SOON)])
def test_time_decides_nothing(name: str, settings: Mapping[str, Any], ref: ArenaRef, tmp_path: Path) -> None:
    """Whenever steps are done, the same is played and learned, to the bit."""
    found = []
    for moods in ((True,), (False,), (True, False, False, True, False)):
        trial = Trial(name, settings, ref=ref, moods=moods)
        made = list(itertools.islice(trial.rounds(300), 200))
        figures = [one.figures for one in made]
        matches = [[(m.match.ticket.match, m.score) for m in one.outcomes] for one in made]
        found.append((figures, matches, trial.learner.checkpoint(tmp_path).name))
    assert found[1:] == found[:1] * 2


@pytest.mark.parametrize(("name", "settings"), [("ppo", FAST), ("dqn", SOON), ("iddpg", SOON)])
def test_as_much_is_played_and_learned(name: str, settings: Mapping[str, Any]) -> None:
    """As many updates, decisions and environment steps as without; nothing is under way at the end."""
    found = []
    for overlap in (False, True):
        trial = Trial(name, settings, overlap=overlap)
        made = list(trial.rounds(300))
        assert all(set(one.times_s) == {"learn", "act", "env", "wait"} for one in made)
        found.append((len(made), sum(one.decisions for one in made), trial.play.steps, trial.learner.updates))
        assert len(trial.play.collect(2)) == 1
    assert found[0] == found[1]
    assert found[0][1] >= 300


def test_the_first_fragment_is_that_without_overlap() -> None:
    """It is learned from with the weights that played it."""
    figures = [next(Trial(overlap=overlap).rounds()).figures for overlap in (False, True)]
    assert figures[0] == pytest.approx(figures[1], abs=1e-4)


@pytest.mark.parametrize("more", [{}, {"memory": 4}, {"separate": True}], ids=str)
@pytest.mark.parametrize("ref", [IDENTITY, NIM], ids=["at once", "turns with masks"])
def test_ratios_start_at_one_though_older_weights_played(more: Mapping[str, Any], ref: ArenaRef) -> None:
    """The clip is around the weights that learn; what older ones played differently weighs advantages."""
    trial = Trial("ppo", {**FAST, "epochs": 1, "minibatch": 1000, **more}, ref=ref)
    for made in itertools.islice(trial.rounds(), 4):
        assert made.figures["kl"] == pytest.approx(0, abs=1e-6)
        assert made.figures["clip_fraction"] == 0


@pytest.mark.parametrize("taught", [False, True])
@pytest.mark.parametrize("more", [{}, {"memory": 4}, {"separate": True}], ids=str)
def test_what_fallbacks_did_beside_play_counts_for_nothing(more: Mapping[str, Any], *, taught: bool) -> None:
    """Whatever stands for their log-probability, and where there is nothing else, too."""
    learner, rng = learner_of(spec_of(role_of(seats=2)), **more), np.random.default_rng(0)
    (fragment,) = fragments_of(learner, rng)
    fragment.source_TR[1 if taught else slice(None)] = ILLEGAL
    fragment.extras["logp"][fragment.source_TR == ILLEGAL] = np.nan
    before = weights_of(learner)
    with learner.policy.held():
        *_, figures = learner.updating([fragment])
    assert np.isfinite(list(figures.values())).all()
    head = "worker/actor.head.weight"
    assert np.array_equal(before[head], weights_of(learner)[head]) != taught


def test_parts_make_the_update(tmp_path: Path) -> None:
    """`updating` taken part by part is `update`; there are as many parts as minibatches."""
    whole, parts = Trial(), Trial()
    (fragment,) = whole.play.collect(4)
    figures = whole.learner.update([fragment])
    told = list(parts.learner.updating(parts.play.collect(4)))
    assert told[-1] == figures
    assert told[:-1] == [{}] * 12  # 48 decisions in minibatches of 16, four times
    assert parts.learner.checkpoint(tmp_path).name == whole.learner.checkpoint(tmp_path).name


def test_divergence_is_raised_beside_play() -> None:
    """An update that breaks in the middle says so; the policy is the learner's own again."""
    trial = Trial()
    live = trial.learner.policy.nets
    made = trial.rounds()
    next(made)
    with torch.no_grad():
        next(iter(trial.learner._parts.values())).critic.head.weight.fill_(math.nan)
    with pytest.raises(DivergenceError):
        next(made)
    assert trial.learner.policy.nets is live


def test_a_learner_that_does_not_pause_is_refused() -> None:
    """At the start, by its name, before anything is played."""
    trial = Trial()

    class Plain:
        """The contract's least."""

        policy, want_state, decisions = trial.learner.policy, False, 0
        Settings = update = snapshot = checkpoint = restore = None

    assert not isinstance(Plain(), Pausing)
    with pytest.raises(ConfigError, match=r"Plain: got overlap = true"):
        rounds(trial.play, Plain(), ME, 4, 10, overlap=True)  # type: ignore[arg-type]  # that is the point
    assert trial.play.steps == 0
