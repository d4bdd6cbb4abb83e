"""A learner that plays in an arena in this process: collect, update, look at scores and policy."""

from __future__ import annotations

import itertools
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from agents import learner_class
from agents.devices import to_array, to_tensor
from agents.features import features
from agents.rounds import rounds
from arenas import full_spec
from marl.batch import LocalPool
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player, in_order
from marl.rng import seed_of
from marl.spec import Ticket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.fragment import Fragment
    from marl.policy import Policy

ME, OTHERS = "learner", "others"
DEVICE = os.environ.get("MARL_TEST_DEVICE", "cpu")
"""Where learners of a Practice learn and act whose settings name no device: cpu, cuda or cuda:N."""


class Practice:
    """`run(updates)` trains; `last` are the metrics of the last update, `fragments` what it learned from.

    The learner plays all seats; or those of `roles`, and `others`, which stays as it is, all the rest.
    `overlap` as in `agents.rounds`: between calls of `run` one fragment more is played than learned from.
    """

    def __init__(
        self,
        arena: str,
        seed: int,
        settings: Mapping[str, Any],
        *,
        learner: str = "ppo",
        options: Mapping[str, Any] | None = None,
        copies: int = 32,
        rollout: int = 16,
        roles: Sequence[str] = (),
        others: Policy | None = None,
        overlap: bool = False,
    ) -> None:
        torch.set_num_threads(1)
        self.ref = ArenaRef(full_spec(arena), dict(options or {}))
        self.seed = seed
        pool = LocalPool([build(self.ref)], copies)
        self.spec = pool.spec
        made = learner_class(learner)
        placed = dict(settings) if DEVICE == "cpu" else {"device": DEVICE, **settings}
        self.learner = made(self.spec, made.Settings.read(learner, placed), seed, roles)
        players = {ME: Player(self.learner.policy, record=True)}
        self._lineup = dict.fromkeys(self.spec.seats, ME)
        if others is not None:
            players[OTHERS] = Player(others)
            own = [seat for name in roles for seat in self.spec.role(name).seats]
            self._lineup |= {seat: OTHERS for seat in self.spec.seats if seat not in own}
        self._play = Play(pool, self._match, players, want_state=self.learner.want_state)
        self._rounds = rounds(self._play, self.learner, ME, rollout, math.inf, overlap=overlap)
        self.fragments: list[Fragment] = []
        self.last: dict[str, float] = {}
        self.scores: list[float] = []

    def _match(self, copy: int, episode: int) -> Match:
        number = copy + episode * 10**6
        return Match(Ticket(number, seed_of(self.seed, copy, episode)), self._lineup)

    def run(self, updates: int) -> float:
        """Train; returns the mean score of the matches that ended in the last update."""
        for made in itertools.islice(self._rounds, updates):
            self.fragments, self.last = made.fragments, made.figures
            self.scores.append(mean_score([outcome.score for outcome in made.outcomes]))
        return self.scores[-1]

    def examine(self, matches: int = 200, *, greedy: bool = True) -> float:
        """The mean score of a seat over matches of other seeds."""
        return float(self.returns(matches, greedy=greedy).mean()) / len(self.spec.seats)

    def returns(
        self,
        matches: int = 200,
        *,
        greedy: bool = True,
        elsewhere: tuple[str, Mapping[str, Any]] | None = None,
    ) -> NDArray[np.float64]:
        """The sum of all seats' scores in each of some matches of other seeds.

        `elsewhere`: another arena of equal roles with its options, instead of the one trained in.
        """
        ref = self.ref if elsewhere is None else ArenaRef(full_spec(elsewhere[0]), dict(elsewhere[1]))
        plan = [Match(Ticket(i, seed_of(self.seed, -1, i)), self._lineup) for i in range(matches)]
        with LocalPool([build(ref)], min(matches, 50)) as pool:
            players = {ME: Player(self.learner.policy, greedy=greedy)}
            outcomes = Play(pool, in_order(plan, pool.copies), players).run()
        return np.array([sum(outcome.score.values()) for outcome in outcomes])

    def probabilities(self, observation: NDArray[np.float32], role: str = "") -> NDArray[np.float64]:
        """The distribution over a discrete action for some observations; row m by model m, if separate."""
        held = self.spec.role(role) if role else self.spec.roles[0]
        return probabilities(self.learner.policy.nets[held.name], features(held, [observation]))

    @torch.no_grad()
    def action_values(self, observation: NDArray[Any]) -> NDArray[np.float32]:
        """Values (R, A) of all actions, by the only net of a learner of values."""
        (role,) = self.spec.roles
        net = self.learner._q[role.name]
        x_RF = to_tensor(features(role, [observation]), net.epsilon.device)
        values: NDArray[np.float32] = to_array(net.direct(net.inputs(x_RF.unsqueeze(0)))[0])
        return values

    @torch.no_grad()
    def team_values(
        self, value_BN: NDArray[np.float32], state_BS: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What the learner's mixture makes of seats' values, (B, G)."""
        device = self.learner.policy.nets[self.spec.roles[0].name].inputs.mean.device
        return to_array(self.learner._mixer(to_tensor(value_BN, device), to_tensor(state_BS, device)))


def probabilities(net: Any, x_RF: NDArray[np.float32]) -> NDArray[np.float64]:  # noqa: ANN401  # an ActorNet
    """Softmax of the head's outputs; with several models row m is asked of model m."""
    with torch.inference_mode():
        x = to_tensor(x_RF, net.inputs.mean.device)
        x = x.unsqueeze(0) if net.models == 1 else x.unsqueeze(1)
        out, _ = net(x, torch.zeros(*x.shape[:2], net.memory_size, device=x.device))
        result: NDArray[np.float64] = to_array(torch.softmax(out.double(), -1).flatten(0, 1))
    return result


def mean_score(scores: list[Mapping[str, float]]) -> float:
    """Over all seats and matches; nan where none ended."""
    return float(np.mean([list(score.values()) for score in scores])) if scores else float("nan")
