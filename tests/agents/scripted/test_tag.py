"""All chase catches much more of a prey than random predators do."""

from __future__ import annotations

import pytest

pytest.importorskip("mpe2", reason="simple_tag is mpe2's")

from agents.scripted.tag import Chase
from marl.batch import LocalPool
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player, in_order
from marl.policy import Policy, RandomLegal
from marl.spec import Ticket


def _caught(predators: Policy) -> float:
    """The mean return of a predator over 20 episodes against random prey."""
    ref = ArenaRef("mpe2.simple_tag_v3", {"max_cycles": 25})
    with LocalPool([build(ref)], 10) as pool:
        lineup = {seat: role.name for role in pool.spec.roles for seat in role.seats}
        plan = [Match(Ticket(i, i), lineup) for i in range(20)]
        players = {"adversary": Player(predators), "agent": Player(RandomLegal())}
        outcomes = Play(pool, in_order(plan, pool.copies), players).run()
    return sum(outcome.score["adversary_0"] for outcome in outcomes) / len(outcomes)


def test_chasing_catches_the_prey() -> None:
    """Five times as much as by chance; who brakes more than who does not, who leads the prey yet more."""
    spec = build(ArenaRef("mpe2.simple_tag_v3", {"max_cycles": 25})).spec
    plain, braking = (_caught(Chase(spec, brake_s=brake_s, lead_s=0.0)) for brake_s in (0.0, 0.2))
    assert 5 * _caught(RandomLegal()) < plain < braking < _caught(Chase(spec))
