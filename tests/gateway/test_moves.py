"""Moves through the gateway: answered, late, illegal, absent; every row comes back with who decided it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

import marl.client
from marl.errors import UnknownNameError
from marl.gateway import Gateway, RemotePolicy, TimeControl
from marl.policy import ABSENT, ILLEGAL, LATE, POLICY, AsyncPolicy, Attentive, RandomLegal, Rows
from tests.gateway.driving import (
    OTHER,
    PLAIN,
    RICH,
    RICH_SPEC,
    SPEC,
    TOKEN,
    WAIT_S,
    Peer,
    actions,
    agent_process,
    answer,
    ask,
    event_of,
    rows,
    seated,
    sources,
    turns,
    write_agent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = TimeControl(move_s=0.2, first_s=0.2, strikes=2)
PATIENT = TimeControl(move_s=WAIT_S, first_s=WAIT_S, strikes=2)


@pytest.fixture
def patient() -> Iterator[Gateway]:
    """A gateway whose clock never decides."""
    with Gateway(SPEC, {"bob": TOKEN, "eve": OTHER}, time_control=PATIENT) as gateway:
        yield gateway


@pytest.fixture
def quick() -> Iterator[Gateway]:
    """A gateway that waits 0.2 s for a move."""
    with Gateway(SPEC, {"bob": TOKEN}, time_control=QUICK) as gateway:
        yield gateway


def test_an_agent_of_its_own_process_plays_many_matches_at_once(patient: Gateway, tmp_path: Path) -> None:
    """64 matches on one connection: each row gets the answer to its own observation and mask."""
    agent = write_agent(
        tmp_path, "def act(observation, mask):\n    return mask.index(1) if observation[0] > 0 else 3\n"
    )
    with agent_process(patient.address, f"{agent}:act", "--name", "tester 2") as process:
        standing = patient.wait_for("bob", WAIT_S)
        assert (standing.state, standing.agent) == ("ready", "tester 2")
        policy = patient.policy("bob")
        assert isinstance(policy, AsyncPolicy)
        assert isinstance(policy, Attentive)
        rng = np.random.default_rng(5)
        for n in range(20):
            observation = rng.uniform(-1, 1, (64, 3)).astype(np.float32)
            mask = np.ones((64, 4), np.uint8)
            first = rng.integers(0, 4, 64)
            for row, choice in enumerate(first):
                mask[row, :choice] = 0
            policy.ask(PLAIN, (observation,), mask, rows(range(64), n))
            decision = policy.collect()
            assert set(sources(decision)) == {POLICY}
            assert decision.action_RK.dtype == np.int32
            assert actions(decision) == np.where(observation[:, 0] > 0, first, 3).tolist()
        policy.ended(np.arange(64))
        assert policy.forfeits == {}
        patient.close()
        assert process.wait(WAIT_S) == 0


def test_dicts_tuples_and_images_travel_both_ways() -> None:
    """A Dict observation with an image arrives restored, and a Dict action comes back as the arena's row."""
    with (
        Gateway(RICH_SPEC, {"bob": TOKEN}, time_control=PATIENT) as gateway,
        seated(gateway.address) as session,
    ):
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        camera = np.arange(6, dtype=np.uint8).reshape(1, 2, 3, 1)
        leaves = (camera, np.array([[1, 0, 1]], np.int8), np.array([4]), np.array([-0.5]))
        policy.ask(RICH, leaves, np.zeros((1, 0), np.uint8), rows([1]))
        (turn,) = turns(session)
        assert turn.observation == {
            "camera": [[[0], [1], [2]], [[3], [4], [5]]],
            "flags": [1, 0, 1],
            "goal": (4, -0.5),
        }
        assert turn.mask is None
        session.act(turn, {"arm": [-2.0, 0.5], "grip": 3, "mode": [1, 2]})
        session.flush()
        decision = policy.collect()
        assert actions(decision) == [-2.0, 0.5, 2, 1, 2]
        assert decision.action_RK.dtype == np.float64


def test_a_late_move_is_substituted_and_strikes_forfeit(quick: Gateway) -> None:
    """Late rows get the keyed random legal action; the last strike forfeits, and then nobody waits."""
    with seated(quick.address) as session:
        quick.wait_for("bob", WAIT_S)
        policy = quick.policy("bob")
        for n in range(2):
            who = rows([5, 6], n)
            ask(policy, who, (0, 1, 1, 0))
            decision = policy.collect()
            assert sources(decision) == [LATE, LATE]
            mask_RA = np.tile(np.array([0, 1, 1, 0], np.uint8), (2, 1))
            expected = RandomLegal().act(PLAIN, (), mask_RA, np.zeros((2, 0), np.float32), who, greedy=False)
            assert actions(decision) == actions(expected)
        forfeit = policy.forfeits_of(5)[0]
        assert (forfeit.reason, forfeit.decision) == ("timeout", 1)
        started = time.monotonic()
        for n in range(2, 12):
            ask(policy, rows([5, 6], n))
            assert sources(policy.collect()) == [ABSENT, ABSENT]
        assert time.monotonic() - started < 1.0
        verdict = event_of(session, marl.client.Verdict)
        assert (verdict.source, verdict.number, verdict.strikes) == ("late", 0, 1)
        assert event_of(session, marl.client.End).reason == "timeout"


def test_an_agent_that_answers_one_by_one_has_its_time_for_each() -> None:
    """Three rows at once, answered one after the other within a move's time each, are all in time."""
    control = TimeControl(move_s=0.8, first_s=0.8, strikes=2)
    with Gateway(SPEC, {"bob": TOKEN}, time_control=control) as gateway, seated(gateway.address) as session:
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        ask(policy, rows([1, 2, 3]))
        thought_s = time.monotonic()
        for turn in turns(session, 3):
            thought_s += 0.35
            while time.monotonic() < thought_s:
                policy._link._poller.poll(1)
            session.act(turn, 1)
            session.flush()
        assert sources(policy.collect()) == [POLICY] * 3


def test_an_illegal_move_may_be_mended_once(patient: Gateway) -> None:
    """The first illegal try costs nothing when it is mended; a second is substituted; strikes forfeit."""
    with seated(patient.address) as session:
        patient.wait_for("bob", WAIT_S)
        policy = patient.policy("bob")
        ask(policy, rows([1]), (0, 1, 0, 1))
        answer(session, 2)
        verdict = event_of(session, marl.client.Verdict)
        assert (verdict.source, verdict.retry, verdict.strikes) == ("illegal", True, 0)
        assert "masked" in verdict.reason
        session._send({"t": "act", "s": 1, "n": 0, "a": [3]})
        session.flush()
        decision = policy.collect()
        assert (sources(decision), actions(decision)) == ([POLICY], [3])
        for n, wrong in ((1, [7, float("nan")]), (2, [[["f4", [2]]], 0.5])):
            ask(policy, rows([1], n), (0, 1, 0, 0))
            turns(session)
            for action in wrong:
                frames = [b"\0" * 8] if isinstance(action, list) else []
                session._send(
                    {"t": "act", "s": 1, "n": n, "a": action if isinstance(action, list) else [action]},
                    frames,
                )
            session.flush()
            decision = policy.collect()
            assert (sources(decision), actions(decision)) == ([ILLEGAL], [1])
        assert policy.forfeits_of(1)[0].reason == "illegal"
        ask(policy, rows([1], 3))
        assert sources(policy.collect()) == [ABSENT]


def test_the_first_legal_choice_can_be_the_substitute() -> None:
    """`substitute="first"`: the first legal choice, and 0 within the bounds of a box."""
    control = TimeControl(move_s=0.05, first_s=0.05, strikes=9, substitute="first")
    with Gateway(SPEC, {"bob": TOKEN}, time_control=control) as gateway, seated(gateway.address):
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        ask(policy, rows([1]), (0, 0, 1, 1))
        decision = policy.collect()
        assert (sources(decision), actions(decision)) == ([LATE], [2])
    with Gateway(RICH_SPEC, {"bob": TOKEN}, time_control=control) as gateway:
        policy = gateway.policy("bob")
        leaves = (
            np.zeros((1, 2, 3, 1), np.uint8),
            np.zeros((1, 3), np.int8),
            np.zeros(1, np.int64),
            np.zeros(1),
        )
        policy.ask(RICH, leaves, np.zeros((1, 0), np.uint8), rows([1]))
        decision = policy.collect()
        assert (sources(decision), actions(decision)) == ([ABSENT], [0, 0, 0, 0, 0])


def test_nobody_there_is_absent_at_once(patient: Gateway) -> None:
    """A player that never came loses by rule without anybody waiting."""
    policy = patient.policy("bob")
    started = time.monotonic()
    ask(policy, rows([1, 2]))
    assert sources(policy.collect()) == [ABSENT, ABSENT]
    assert time.monotonic() - started < 2.0
    assert {forfeit.reason for forfeit in policy.forfeits.values()} == {"error"}
    assert patient.standing_of("bob").state == "absent"


def test_a_disconnect_in_mid_match_forfeits_at_once(patient: Gateway) -> None:
    """Open rows come back absent when the connection ends; a new connection plays new matches only."""
    policy = patient.policy("bob")
    with seated(patient.address) as session:
        patient.wait_for("bob", WAIT_S)
        ask(policy, rows([1, 2]))
        answer(session, 1)
        session._sock.close()
        started = time.monotonic()
        assert sources(policy.collect()) == [POLICY, ABSENT]
        assert time.monotonic() - started < 2.0
        assert list(policy.forfeits_of(2)) == [0]
    with seated(patient.address) as session:
        patient.wait_for("bob", WAIT_S)
        ask(policy, rows([1, 2], 1))
        assert sources(policy.collect()) == [ABSENT, ABSENT]
        assert policy.forfeits_of(1)[0].reason == "error"
        ask(policy, rows([1, 3]))
        answer(session, 2, 2)
        assert sources(policy.collect()) == [POLICY, POLICY]
        assert policy.forfeits_of(1) == {}


def test_two_agents_on_two_seats_of_a_match(patient: Gateway) -> None:
    """Two players are asked at once; each answers for its own seat."""
    with seated(patient.address) as bob, seated(patient.address, OTHER) as eve:
        for player in ("bob", "eve"):
            patient.wait_for(player, WAIT_S)
        policies: list[RemotePolicy] = [patient.policy("bob"), patient.policy("eve")]
        for n in range(3):
            for seat, policy in enumerate(policies):
                ask(policy, rows([1], n, seat))
            answer(eve, 2)
            answer(bob, 1)
            assert [actions(policy.collect()) for policy in policies] == [[1], [2]]


def test_several_asks_are_collected_in_their_order(patient: Gateway) -> None:
    """One policy asked for two sets of rows gives the answers in the order of the asks."""
    with seated(patient.address) as session:
        patient.wait_for("bob", WAIT_S)
        policy = patient.policy("bob")
        ask(policy, rows([1, 2]))
        ask(policy, rows([1], seat=1))
        open_turns = turns(session, 3)
        for turn, action in reversed(list(zip(open_turns, (1, 2, 3), strict=True))):
            session.act(turn, action)
        session.flush()
        assert [actions(policy.collect()), actions(policy.collect())] == [[1, 2], [3]]


def test_duplicates_and_stale_answers_change_nothing(patient: Gateway) -> None:
    """The first answer to a move counts; answers to old moves and ended matches are ignored."""
    with seated(patient.address) as session:
        patient.wait_for("bob", WAIT_S)
        policy = patient.policy("bob")
        ask(policy, rows([1, 2]))
        first, second = turns(session, 2)
        session.act(first, 1)
        session.act(first, 2)
        session.act(second, 3)
        session.flush()
        assert actions(policy.collect()) == [1, 3]
        ask(policy, rows([1, 2], 1))
        turns(session, 2)
        session.act(first, 2)
        for turn in (first, second):
            session._send({"t": "act", "s": turn.play, "n": 1, "a": [0]})
        session.flush()
        assert actions(policy.collect()) == [0, 0]
        policy.ended(np.array([1, 2]))
        assert event_of(session, marl.client.End).reason == "over"
        session.act(first, 2)
        session.flush()
        ask(policy, rows([3]))
        answer(session, 2)
        assert (sources(policy.collect()), patient.standing_of("bob").seats) == ([POLICY], 1)


def test_a_closed_policy_frees_its_seats(patient: Gateway) -> None:
    """Closing a policy ends its matches at the agent, also those that were still being played."""
    with seated(patient.address) as session:
        patient.wait_for("bob", WAIT_S)
        policy, other = patient.policy("bob"), patient.policy("bob")
        for number, asked in ((1, policy), (2, other)):
            ask(asked, rows([number]))
            answer(session, number)
        assert (actions(policy.collect()), actions(other.collect())) == ([1], [2])
        policy.close()
        assert event_of(session, marl.client.End) == marl.client.End(1, "over")
        assert patient.standing_of("bob").seats == 1


def test_an_act_may_name_its_match_where_that_is_enough(patient: Gateway) -> None:
    """`ep` alone names the seat of a session that holds one seat of the match."""
    with Peer(patient.address) as peer:
        peer.log_in()
        patient.wait_for("bob", WAIT_S)
        policy = patient.policy("bob")
        ask(policy, rows([1]))
        ep = peer.until("start")["ep"]
        peer.until("obs")
        peer.send({"t": "act", "m": 4, "ep": ep, "n": 0, "a": [2]})
        assert actions(policy.collect()) == [2]


def test_the_last_login_wins(patient: Gateway) -> None:
    """A second login supersedes the first, which is told so; its seats are lost."""
    with seated(patient.address) as old:
        patient.wait_for("bob", WAIT_S)
        policy = patient.policy("bob")
        ask(policy, rows([1]))
        turns(old)
        with seated(patient.address) as new:
            assert sources(policy.collect()) == [ABSENT]
            with pytest.raises(marl.client.ClientError, match="superseded"):
                list(old)
            patient.wait_for("bob", WAIT_S)
            ask(policy, rows([2]))
            answer(new, 1)
            assert sources(policy.collect()) == [POLICY]


def test_agents_get_seeds_that_differ_and_do_not_give_the_match_away(patient: Gateway) -> None:
    """Seeds differ between matches and policies, and are not the match's own."""
    with seated(patient.address) as session:
        patient.wait_for("bob", WAIT_S)
        seen: Counter[int] = Counter()
        for _ in range(2):
            policy = patient.policy("bob")
            who = Rows(
                np.array([1, 2]), np.array([3, 4], np.uint64), np.zeros(2, np.int32), np.zeros(2, np.int32)
            )
            ask(policy, who)
            for _ in range(2):
                seen[event_of(session, marl.client.Start).seed] += 1
                answer(session, 0)
            policy.collect()
        assert len(seen) == 4
        assert not set(seen) & {3, 4}


def test_unknown_players_are_named(patient: Gateway) -> None:
    """A player that is not on the list is refused with the list."""
    with pytest.raises(UnknownNameError, match="bob"):
        patient.policy("bo")
