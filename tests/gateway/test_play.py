"""The play loop with a player behind the gateway: it needs no special case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marl.batch import LocalPool
from marl.gateway import Gateway, TimeControl
from marl.loading import ArenaRef, build
from marl.play import Match, Play, Player, in_order
from marl.policy import RandomLegal
from marl.spec import Ticket
from tests.gateway.driving import TOKEN, WAIT_S, agent_process, write_agent

if TYPE_CHECKING:
    from pathlib import Path

CRASHES = """
answers = 0
def act(observation):
    global answers
    answers += 1
    if answers > 100:
        raise SystemExit(9)
    return 0
"""


def test_play_with_a_remote_player_that_dies_in_mid_run(tmp_path: Path) -> None:
    """Every match ends; those after the agent's death say that its seat was absent, and no others do."""
    ref = ArenaRef("arenas.matrix:BiasedRPS", {"steps": 5})
    pool = LocalPool([build(ref), build(ref)], copies=4)
    seats = pool.spec.seats
    lineups = [("bob", "random"), ("random", "bob")]
    plan = [Match(Ticket(i, seed=i + 1), dict(zip(seats, lineups[i % 2], strict=True))) for i in range(60)]
    agent = write_agent(tmp_path, CRASHES)
    control = TimeControl(move_s=WAIT_S, first_s=WAIT_S)
    with (
        Gateway(pool.spec, {"bob": TOKEN}, time_control=control) as gateway,
        agent_process(gateway.address, f"{agent}:act"),
    ):
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        players = {"bob": Player(policy), "random": Player(RandomLegal())}
        outcomes = Play(pool, in_order(plan, 8), players).run()
    assert sorted(outcome.match.ticket.match for outcome in outcomes) == list(range(60))
    absent = 0
    for outcome in outcomes:
        seat = next(seat for seat, player in outcome.match.lineup.items() if player == "bob")
        assert outcome.faults[seat][:2] == (0, 0)
        absent += outcome.faults[seat][2]
        assert set(policy.forfeits_of(outcome.match.ticket.match)) == (
            {seats.index(seat)} if outcome.faults[seat][2] else set()
        )
    assert absent == 60 * 5 - 100
