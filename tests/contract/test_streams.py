"""What learners are given: each seat's own decisions, whatever the fragments, turns, ends and losses."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from marl.batch import LocalPool
from marl.loading import ArenaRef, build
from marl.match import Match, Player
from marl.play import Play
from marl.policy import RandomLegal
from marl.spec import Ticket
from marl.testing.traces import Trace, Tracer
from tests.contract.streams import Key, Made, of_fragments, of_trace
from tests.contract.toys import Losing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marl.batch import ArenaPool
    from marl.spec import Spec

TOYS = "tests.contract.toys:"
ARENAS = {
    "turns, two players": ArenaRef(f"{TOYS}Nim"),
    "turns, three players": ArenaRef(f"{TOYS}Nim", {"players": 3}),
    "tic-tac-toe": ArenaRef("pettingzoo.classic.tictactoe_v3"),
    "early leavers": ArenaRef(f"{TOYS}Leavers"),
    "two roles": ArenaRef(f"{TOYS}TwoRoles"),
    "identity": ArenaRef("arenas.identity:Identity", {"seats": 2, "steps": 5}),
    "matches of one step": ArenaRef("arenas.matrix:BiasedRPS"),
}
COPIES, STEPS = 3, 40


def ticket_of(copy: int, episode: int) -> Ticket:
    """The plan of all tests here."""
    return Ticket(1000 * copy + episode, 31 * copy + episode)


def collect(pool: ArenaPool, lengths: Sequence[int], *, chained: bool = False) -> dict[Key, list[Made]]:
    """The streams of a player that holds all seats, over fragments of given lengths."""
    streams: dict[Key, list[Made]] = {}
    for part in collect_parts(pool, lengths, chained=chained):
        for key, stream in part.items():
            streams.setdefault(key, []).extend(stream)
    return streams


def collect_parts(
    pool: ArenaPool, lengths: Sequence[int], *, chained: bool = False
) -> list[dict[Key, list[Made]]]:
    """The same, fragment by fragment; `chained`: each begins while the one before ends."""
    lineup = dict.fromkeys(pool.spec.seats, "it")
    players = {"it": Player(RandomLegal(), record=True)}
    play = Play(pool, lambda copy, episode: Match(ticket_of(copy, episode), lineup), players, want_state=True)
    if not chained:
        return [of_fragments(play.collect(length)) for length in lengths]
    parts = [of_fragments(play.begin(length)) for length in lengths]
    assert parts[0] == {}
    return [*parts[1:], of_fragments(play.finish())]


def told(ref: ArenaRef, episodes: int = STEPS) -> tuple[Spec, list[dict[int, Trace]]]:
    """All matches that could be played, by copy and episode."""
    with LocalPool([build(ref)], COPIES) as pool:
        traces = Tracer(pool).play([[ticket_of(copy, e) for e in range(episodes)] for copy in range(COPIES)])
        return pool.spec, [
            {e: traces[ticket_of(copy, e).match] for e in range(episodes)} for copy in range(COPIES)
        ]


def expected(spec: Spec, matches: dict[int, Trace], seat: str) -> list[Made]:
    """The decisions of a seat over all matches of a copy."""
    return [made for trace in matches.values() for made in of_trace(spec, trace, seat)]


@pytest.mark.parametrize("name", ARENAS)
def test_streams_follow_from_the_matches(name: str) -> None:
    """A fragment's decisions, rewards, ends and successors are those of the matches, seat by seat."""
    ref = ARENAS[name]
    spec, matches = told(ref)
    with LocalPool([build(ref)], COPIES) as pool:
        streams = collect(pool, [STEPS])
    for copy in range(COPIES):
        for seat in spec.seats:
            stream, wanted = streams[copy, seat], expected(spec, matches[copy], seat)
            assert len(stream) > 3
            assert stream == wanted[: len(stream)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ARENAS)
def test_fragments_of_any_length_give_the_same_streams(name: str, seed: int) -> None:
    """Many short fragments, of lengths that change, hold what one long one holds: no more, no less."""
    ref = ARENAS[name]
    rng = np.random.default_rng(seed)
    lengths: list[int] = []
    while sum(lengths) < STEPS:
        lengths.append(int(rng.choice([1, 1, 2, 3, 7])))
    with LocalPool([build(ref), build(ref)], COPIES) as pool:
        whole = collect(pool, [sum(lengths)])
    for chained in (False, True):
        with LocalPool([build(ref), build(ref)], COPIES) as pool:
            parts = collect(pool, lengths, chained=chained)
        assert parts == whole


def test_truncation_is_kept_apart_and_leavers_keep_their_end() -> None:
    """Who leaves is terminated, with its last reward and observation; who is cut off is truncated."""
    with LocalPool([build(ArenaRef(f"{TOYS}Leavers"))], COPIES) as pool:
        streams = collect(pool, [12])
    for copy in range(COPIES):
        for index in range(4):
            match = streams[copy, f"leaver_{index}"][: index + 2]
            last = match[-1]
            assert [made.first for made in match] == [True] + [False] * (index + 1)
            assert last.after[0][:2] == [index, index + 2]
            assert last.after[0][2] == last.seen[0][2]
            assert last.reward == 10 * (index + 2) + index
            assert (last.terminated, last.truncated) == ((True, False) if index < 4 else (False, True))
            assert not any(made.terminated or made.truncated for made in match[:-1])
            following = streams[copy, f"leaver_{index}"][index + 2]
            assert following.first
            assert following.seen[0][1] == 0


def test_who_has_left_decides_nothing() -> None:
    """After a seat left it has no valid rows until the next match, and the match goes on without it."""
    with LocalPool([build(ArenaRef(f"{TOYS}Leavers"))], 1) as pool:
        streams = collect(pool, [5])
    assert [len(streams[0, f"leaver_{index}"]) for index in range(4)] == [2, 3, 4, 5]


def test_the_losers_reward_arrives() -> None:
    """In a game of turns the loser's -1, which falls while the winner moves, is in its last decision."""
    with LocalPool([build(ArenaRef(f"{TOYS}Nim"))], 1) as pool:
        streams = collect(pool, [40])
    ends = {seat: [made for made in streams[0, seat] if made.terminated] for seat in ("player_0", "player_1")}
    assert len(ends["player_0"]) > 2
    for first, second in zip(ends["player_0"], ends["player_1"], strict=False):
        taken = {seat: made.action[0] + 1 for seat, made in (("0", first), ("1", second))}
        rewards = sorted([first.reward, second.reward])
        winner = "0" if first.reward == 1 else "1"
        assert rewards == [-1 + 0.25 * taken[winner], 1]
        assert first.after[0][0] == second.after[0][0] == 0


def test_no_transition_spans_a_loss() -> None:
    """Where copies are lost the open decision goes, the one before is cut, the match is replayed."""
    ref = ArenaRef(f"{TOYS}Leavers")
    spec, matches = told(ref, 8)
    losses = {3: [0], 4: [1], 5: [1, 2], 6: [1]}
    with Losing([build(ref)], COPIES, losses) as pool:
        streams = collect(pool, [7, 1, 8])
    for copy, stops in ((0, [3]), (1, [4, 0]), (2, [5])):
        for seat in spec.seats:
            whole = of_trace(spec, matches[copy][0], seat)
            wanted: list[Made] = []
            for stop in stops:
                kept = [Made(**vars(made)) for made in whole[: max(stop - 1, 0)]]
                if kept and not kept[-1].terminated:
                    kept[-1].truncated = True
                wanted += kept
            wanted += expected(spec, matches[copy], seat)
            stream = streams[copy, seat]
            assert len(stream) > len(wanted) - len(expected(spec, matches[copy], seat)) + 2
            assert stream == wanted[: len(stream)], (copy, seat)


@pytest.mark.parametrize("seed", range(6))
def test_no_transition_spans_a_loss_in_turns(seed: int) -> None:
    """The same where decisions stay open over steps and fragments: no successor is of another match."""
    rng = np.random.default_rng(seed)
    losses = {step: [int(rng.integers(COPIES))] for step in range(2, 60, 5)}
    with Losing([build(ArenaRef(f"{TOYS}Nim", {"players": 3}))], COPIES, losses) as pool:
        parts = collect_parts(pool, [int(rng.integers(1, 6)) for _ in range(20)])
    decisions = 0
    for part in parts:
        for stream in part.values():
            decisions += len(stream)
            assert all(made.after[0][0] < made.seen[0][0] for made in stream)
            for made, following in pairwise(stream):
                ended = made.terminated or made.truncated
                assert ended == following.first
                assert ended or made.after == following.seen
    assert decisions > 100
