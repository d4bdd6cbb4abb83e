"""Play: who sits where, what changes at a restart, what is recorded, and hosts that die in mid-fragment."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from marl.batch import LocalPool
from marl.errors import ActionError, ConfigError, UnknownNameError
from marl.hosting import HostPool
from marl.loading import ArenaRef, build
from marl.match import Match, Player, in_order
from marl.play import Play
from marl.policy import Decision, RandomLegal, Rows
from marl.spec import Ticket
from tests.contract.streams import Made, of_fragments
from tests.hosting.driving import host_processes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.batch import ArenaPool
    from marl.match import Outcome
    from marl.spec import Role

TOYS = "tests.contract.toys:"


class Counting:
    """Always takes the same choice, and remembers how many decisions it has made for each seat."""

    memory_size = 1

    def __init__(self, choice: float) -> None:
        self.choice = choice

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
        assert memory_RM[:, 0].tolist() == rows.decision_R.tolist()
        action_RK = np.full((len(rows), role.action_size), self.choice, role.action_dtype)
        return Decision(action_RK, memory_RM=memory_RM + 1)


def local(ref: ArenaRef, copies: int = 2, groups: int = 1) -> LocalPool:
    """A pool in this process."""
    return LocalPool([build(ref) for _ in range(groups)], copies)


def played(
    pool: ArenaPool, matches: Sequence[Match], players: Mapping[str, Player], **asked: bool
) -> list[Outcome]:
    """The outcomes of matches, by match number."""
    outcomes = Play(pool, in_order(matches, pool.copies), players, **asked).run()
    return sorted(outcomes, key=lambda outcome: outcome.match.ticket.match)


def test_a_lineup_that_changes_at_restart() -> None:
    """Fragments hold the decisions of their player, wherever it sat; memory begins at 0 in every match."""
    ref = ArenaRef("arenas.identity:Identity", {"seats": 2, "steps": 3})
    lineups = ({"reader_0": "zero", "reader_1": "one"}, {"reader_0": "one", "reader_1": "one"})
    players = {name: Player(Counting(choice), record=True) for name, choice in (("zero", 0), ("one", 1))}
    with local(ref, copies=3, groups=2) as pool:
        play = Play(
            pool,
            lambda copy, episode: Match(
                Ticket(100 * copy + episode, 7 * copy + episode), lineups[episode % 2]
            ),
            players,
        )
        fragments = [fragment for length in (4, 5, 9) for fragment in play.collect(length)]
        outcomes = play.take_outcomes()
    seen = {"zero": 0, "one": 0}
    for fragment in fragments:
        choice = {"zero": 0, "one": 1}[fragment.player]
        valid = fragment.valid_TR
        assert (fragment.action_TRK[valid] == choice).all()
        symbol = fragment.observation[0][valid].argmax(-1)
        np.testing.assert_array_equal(fragment.reward_TR[valid], symbol == choice)
        seen[fragment.player] += fragment.decisions
        if fragment.player == "zero":
            assert set(fragment.seat_R[valid.any(0)].tolist()) == {0}
    # 6 copies, 18 steps: even matches have one seat of each player, odd ones two of `one`.
    assert seen == {"zero": 6 * 9, "one": 6 * 27}
    assert [outcome.match.ticket.match % 100 for outcome in outcomes] == [0, 1, 2, 3, 4, 5] * 6
    assert all(set(outcome.score) == {"reader_0", "reader_1"} for outcome in outcomes)


def test_options_that_change_at_restart_within_capacities() -> None:
    """Matches of other options in one pool: absent seats do not act or score, lengths follow the options."""
    ref = ArenaRef(f"{TOYS}Stages", {"active": 4, "length": 3}, capacity={"seats": 4, "length": 9})
    with local(ref) as pool:
        stages = [
            {"active": 4, "length": 3},
            {"active": 1, "length": 5},
            {"active": 2, "length": 1, "seats": 2},
        ]
        variants = [0, *(pool.add_variant(options) for options in stages[1:])]
        matches = []
        for number in range(9):
            present = [f"worker_{i}" for i in range(stages[number % 3]["active"])]
            matches.append(Match(Ticket(number, number, variants[number % 3]), dict.fromkeys(present, "it")))
        outcomes = played(pool, matches, {"it": Player(RandomLegal())})
    for number, outcome in enumerate(outcomes):
        options = stages[number % 3]
        assert outcome.steps == options["length"]
        assert outcome.score == dict.fromkeys(
            matches[number].lineup, float(options["active"] * options["length"])
        )


def test_a_live_seat_without_a_player_is_refused() -> None:
    """A lineup that leaves out a seat which plays is one clear error that names the seat and the match."""
    lineup = {f"worker_{i}": "it" for i in range(3)}
    with local(ArenaRef(f"{TOYS}Stages")) as pool, pytest.raises(ConfigError, match=r"match 5.*worker_3"):
        played(pool, [Match(Ticket(5, 0), lineup)], {"it": Player(RandomLegal())})


def test_unknown_players_and_seats_are_refused() -> None:
    """Names in a lineup that nobody knows are errors that list who is known."""
    with local(ArenaRef(f"{TOYS}Stages")) as pool:
        lineup = {f"worker_{i}": "itt" for i in range(4)}
        with pytest.raises(UnknownNameError, match="Did you mean 'it'"):
            played(pool, [Match(Ticket(0, 0), lineup)], {"it": Player(RandomLegal())})
    with local(ArenaRef(f"{TOYS}Stages")) as pool, pytest.raises(UnknownNameError, match="worker_0"):
        played(pool, [Match(Ticket(0, 0), {"worker": "it"})], {"it": Player(RandomLegal())})


@pytest.mark.parametrize(
    ("choice", "says"),
    [(3, r"runner_0 by player 'it'.*got action"), (np.nan, "got action"), (-0.5, "expected a value")],
)
def test_illegal_actions_of_a_policy_are_refused(choice: float, says: str) -> None:
    """What a policy plays is judged before it reaches the arena; the error names arena, seat and player."""
    with local(ArenaRef(f"{TOYS}TwoRoles")) as pool:
        lineup = {"scout_0": "random", "scout_1": "random", "runner_0": "it"}
        players = {"it": Player(Counting(choice)), "random": Player(RandomLegal())}
        with pytest.raises(ActionError, match=says):
            played(pool, [Match(Ticket(0, 0), lineup)], players)


def test_dict_observations_with_an_image_arrive_as_leaves() -> None:
    """Dict observations are leaves in order of their keys, of their own dtypes, up to the learner."""
    with local(ArenaRef(f"{TOYS}TwoRoles")) as pool:
        lineup = dict.fromkeys(pool.spec.seats, "it")
        players = {"it": Player(RandomLegal(), record=True)}
        play = Play(pool, lambda c, e: Match(Ticket(10 * c + e, e), lineup), players)
        fragments = {fragment.role.name: fragment for fragment in play.collect(6)}
    camera, pace = fragments["scout"].observation
    assert camera.dtype == np.uint8
    assert pace.dtype == np.int64
    assert camera.shape == (*pace.shape, 3, 3, 1) == (6, 4, 3, 3, 1)
    np.testing.assert_array_equal(pace, 1 + camera[:, :, 0, 0, 0].astype(int) % 4)
    assert fragments["scout"].action_TRK.dtype == np.int32
    assert fragments["runner"].action_TRK.dtype == np.float32
    assert (fragments["runner"].action_TRK[:, :, 1] >= 0).all()


def test_recorded_actions_replay_the_match() -> None:
    """The actions in an outcome, played again from its seed, give its steps and scores."""
    ref = ArenaRef(f"{TOYS}Leavers")
    with local(ref, copies=3) as pool:
        lineup = dict.fromkeys(pool.spec.seats, "it")
        matches = [Match(Ticket(number, number), lineup) for number in range(10)]
        outcomes = played(pool, matches, {"it": Player(RandomLegal())}, keep_actions=True)
    from tests.contract.toys import Leavers

    for outcome in outcomes:
        arena = Leavers()
        arena.reset(seed=outcome.match.ticket.seed)
        for action_NK in outcome.action["leaver"]:
            arena.step({seat: int(action_NK[int(seat[-1]), 0]) for seat in arena.agents})
        assert not arena.agents
        assert len(outcome.action["leaver"]) == outcome.steps
        assert dict(arena.scores()) == outcome.score


def test_joint_arrays_hold_what_all_seats_saw_and_did() -> None:
    """For a central critic: every seat's observation and action at each step of each copy."""
    with local(ArenaRef(f"{TOYS}TwoRoles"), copies=2, groups=2) as pool:
        lineup = dict.fromkeys(pool.spec.seats, "it")
        players = {"it": Player(RandomLegal(), record=True)}
        play = Play(
            pool, lambda c, e: Match(Ticket(10 * c + e, e), lineup), players, want_joint=True, want_state=True
        )
        fragments = play.collect(5)
    for fragment in fragments:
        leaves, action_EBNK = fragment.joint[fragment.role.name]
        at = fragment.time_TR, fragment.copy_R[None], fragment.seat_R[None]
        np.testing.assert_array_equal(action_EBNK[at], fragment.action_TRK)
        for leaf, own in zip(leaves, fragment.observation, strict=True):
            np.testing.assert_array_equal(leaf[at], own)
        assert fragment.state_TRS.shape[2] == 3 * 3 * 2 + 2 + 2


class Killing(RandomLegal):
    """Plays at random, and kills the host processes of this process when it is asked for the n-th time."""

    def __init__(self, at: int) -> None:
        self._left = at

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
        self._left -= 1
        if self._left == 0:
            for process in host_processes():
                os.kill(process, signal.SIGKILL)
        return super().act(role, observation, mask_RA, memory_RM, rows, greedy=greedy)


def test_a_host_killed_in_mid_fragment() -> None:
    """No transition spans the crash; the matches are replayed with their seeds and end the same."""
    ref = ArenaRef(f"{TOYS}Leavers")
    lineup = {f"leaver_{i}": "it" for i in range(4)}

    def stream_and_scores(
        pool: ArenaPool, policy: RandomLegal
    ) -> tuple[dict[Any, list[Made]], dict[int, Any]]:
        players = {"it": Player(policy, record=True)}
        play = Play(pool, lambda c, e: Match(Ticket(100 * c + e, 5 * c + e), lineup), players)
        streams = of_fragments([fragment for _ in range(3) for fragment in play.collect(8)])
        return streams, {outcome.match.ticket.match: outcome.score for outcome in play.take_outcomes()}

    with local(ref, copies=4) as pool:
        whole, scores = stream_and_scores(pool, RandomLegal())
    with HostPool(ref, hosts=1, copies=4, groups=1) as hosts:
        streams, after = stream_and_scores(hosts, Killing(at=12))
        assert hosts.metrics()["host_0/restarts"] == 1
    assert {match: scores[match] for match in after} == after
    assert len(after) >= len(scores) - 4
    cuts = 0
    for key, stream in streams.items():
        assert [made for made in stream if not made.truncated][:5] == [
            made for made in whole[key] if not made.truncated
        ][:5]
        for made in stream:
            assert made.after[0][1] == made.seen[0][1] + 1
            assert made.after[0][2] == made.seen[0][2]
            cuts += made.truncated
    assert cuts > 0
