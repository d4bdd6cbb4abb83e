"""Formats are pure functions of results: known tables, no rematches, fair seats, the strongest wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest

from league.formats import FORMATS, Format, Meeting, Met, Round, places, walkover
from league.formats.adaptive import Adaptive, fit
from league.formats.elimination import Elimination, seeded
from league.formats.ladder import Hill, Ladder, Pyramid
from league.formats.meeting import best
from league.formats.round_robin import Gauntlet, RoundRobin, berger
from league.formats.standing import standings
from league.formats.swiss import Swiss
from marl.errors import ConfigError

NAMES = [f"p{i:02d}" for i in range(64)]
Play = Callable[[Meeting], Met]


def _by_strength(meeting: Meeting) -> Met:
    """Lower numbers beat higher ones, always."""
    order = sorted(meeting.players)
    if len(order) == 1:
        return walkover(meeting, frozenset())
    shares = {player: 1 - i / (len(order) - 1) for i, player in enumerate(order)}
    return Met(meeting, shares, shares)


def _at_random(rng: np.random.Generator) -> Play:
    def play(meeting: Meeting) -> Met:
        if len(meeting.players) == 1:
            return walkover(meeting, frozenset())
        share = float(rng.choice([0, 0.5, 1]))
        if len(meeting.players) == 2:
            return Met(meeting, dict(zip(meeting.players, (share, 1 - share), strict=True)))
        drawn = rng.permutation(len(meeting.players)) / (len(meeting.players) - 1)
        return Met(meeting, dict(zip(meeting.players, drawn.tolist(), strict=True)))

    return play


def _through(form: Format, entrants: Sequence[str], play: Play) -> list[Round]:
    rounds: list[Round] = []
    while planned := form.next_round(entrants, frozenset(), rounds):
        assert planned == form.next_round(list(entrants), frozenset(), list(rounds))
        rounds.append(tuple(play(meeting) for meeting in planned))
        # A duel that is never decided has 5,000 blocks in batches of 8.
        assert len(rounds) < 700
    return rounds


def test_berger_tables_are_fides() -> None:
    """FIDE Handbook C.05 annex 1, six players; first named has the first seat."""
    tables = [[f"{a + 1}-{b + 1}" for a, b in pairs] for pairs in berger(6)]
    assert [set(pairs) for pairs in tables] == [
        {"1-6", "2-5", "3-4"},
        {"6-4", "5-3", "1-2"},
        {"2-6", "3-1", "4-5"},
        {"6-5", "1-4", "2-3"},
        {"3-6", "4-2", "5-1"},
    ]


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 9])
def test_round_robins_are_complete_and_seats_are_fair(size: int) -> None:
    """Each pair meets once, nobody twice in a round, and first seats differ by one at the most."""
    tables = berger(size)
    pairs = [frozenset(pair) for pairs in tables for pair in pairs]
    assert len(pairs) == len(set(pairs)) == size * (size - 1) // 2
    assert all(len({p for pair in round_ for p in pair}) == 2 * len(round_) for round_ in tables)
    firsts = Counter(pair[0] for round_ in tables for pair in round_)
    assert max(abs(2 * firsts[p] - (size - 1)) for p in range(size)) <= 1


def test_a_round_robin_of_several_table_sizes() -> None:
    """Every set of two and of three meets; who enters later meets all; who left meets nobody any more."""
    form = RoundRobin(tables=(2, 3), blocks=2)
    planned = form.next_round(NAMES[:4], frozenset(), [])
    assert Counter(len(meeting.players) for meeting in planned) == {2: 6, 3: 4}
    rounds = [tuple(_by_strength(meeting) for meeting in planned)]
    assert form.next_round(NAMES[:4], frozenset(), rounds) == ()
    later = form.next_round(NAMES[:5], frozenset({NAMES[0]}), rounds)
    assert all(NAMES[4] in meeting.players and NAMES[0] not in meeting.players for meeting in later)
    with pytest.raises(ConfigError, match="at a table"):
        RoundRobin(tables=(9,)).next_round(NAMES[:4], frozenset(), [])


def test_a_gauntlet() -> None:
    """Challengers meet all others, others nobody else."""
    planned = Gauntlet(challengers=("p01", "p02")).next_round(NAMES[:5], frozenset(), [])
    assert {meeting.players for meeting in planned} == {
        (c, o) for c in NAMES[1:3] for o in ("p00", "p03", "p04")
    }
    with pytest.raises(ConfigError, match="p77"):
        Gauntlet(challengers=("p77",)).next_round(NAMES[:5], frozenset(), [])


def test_swiss_of_eight_has_one_winner() -> None:
    """Vector V18h: 8 players, 3 rounds, the stronger always wins: one player has 3 of 3."""
    rounds = _through(Swiss(), NAMES[:8], _by_strength)
    assert len(rounds) == 3
    table = places(NAMES[:8], rounds, 0)
    assert (table[0].player, table[0].points) == ("p00", 3)
    assert [place.points for place in table].count(3) == 1


@pytest.mark.parametrize("size", [6, 7, 15, 32])
def test_swiss_rules_hold(size: int) -> None:
    """No rematch, one rest at most and for the lowest, seats within two.

    Never three times running the same.
    """
    entrants = NAMES[:size]
    for seed in range(3):
        rounds = _through(Swiss(rounds=5), entrants, _at_random(np.random.default_rng(seed)))
        pairs = [frozenset(met.meeting.players) for entries in rounds for met in entries]
        assert len(pairs) == len(set(pairs))
        assert all(len({p for met in entries for p in met.meeting.players}) == size for entries in rounds)
        for player, standing in standings(entrants, rounds).items():
            assert standing.rests <= 1, player
            if size >= 15:  # small fields run out of partners who may sit so
                assert abs(standing.lead) <= 2, player
                assert abs(standing.run) <= 2, player


def test_pods_seat_like_with_like() -> None:
    """17 players at tables of 4: sizes differ by one, nobody twice at a table, few meet again."""
    entrants = NAMES[:17]
    rounds = _through(Swiss(rounds=4, table=4), entrants, _by_strength)
    for entries in rounds:
        assert sorted(len(met.meeting.players) for met in entries) == [3, 3, 3, 4, 4]
        assert len({p for met in entries for p in met.meeting.players}) == 17
    again = sum(count - 1 for own in standings(entrants, rounds).values() for count in own.met.values())
    assert again <= 12
    assert places(entrants, rounds, 0)[0].player == "p00"


def test_brackets_keep_the_best_apart() -> None:
    """Seeds 1 and 2 can meet in the final only, and a bracket of 8 is 1-8 4-5 2-7 3-6."""
    assert seeded(8) == [0, 7, 3, 4, 1, 6, 2, 5]
    for size in (2, 3, 5, 8, 13):
        rounds = _through(Elimination(), NAMES[:size], _by_strength)
        assert sum(len(entries) for entries in rounds) == size - 1
        assert set(rounds[-1][0].meeting.players) == {"p00", "p01"}
        assert Elimination().champion(NAMES[:size], rounds) == "p00"


@pytest.mark.parametrize("size", [2, 3, 4, 6, 8, 11, 16])
def test_double_elimination_takes_two_losses(size: int) -> None:
    """Everybody but the champion loses exactly twice, the champion once at the most."""
    form = Elimination(lives=2)
    for seed in range(5):
        rounds = _through(form, NAMES[:size], _at_random(np.random.default_rng(seed)))
        losses = Counter(
            player
            for entries in rounds
            for met in entries
            for player in met.meeting.players
            if player != best(met, NAMES[:size])
        )
        champion = form.champion(NAMES[:size], rounds)
        assert champion is not None
        assert losses[champion] <= 1
        assert all(losses[player] == 2 for player in NAMES[:size] if player != champion)


def test_who_left_loses_by_walkover() -> None:
    """A bracket goes on when a player is gone."""
    rounds: list[Round] = []
    gone = frozenset({"p00"})
    while planned := Elimination().next_round(NAMES[:4], gone, rounds):
        rounds.append(tuple(walkover(m, gone) if gone & set(m.players) else _by_strength(m) for m in planned))
    assert Elimination().champion(NAMES[:4], rounds) == "p01"


def test_a_ladder_sorts() -> None:
    """From the worst order, n rounds of challenges by strength sort the ladder."""
    entrants = NAMES[:7][::-1]
    rounds = _through(Ladder(rounds=7), entrants, _by_strength)
    assert Ladder.rungs(entrants, rounds) == NAMES[:7]


def test_a_pyramid_grows_by_rows() -> None:
    """The i-th newcomer meets the i before it."""
    rounds = _through(Pyramid(), NAMES[:5], _by_strength)
    assert [len(entries) for entries in rounds] == [1, 2, 3, 4]
    assert all(entries[0].meeting.players[0] == NAMES[i + 1] for i, entries in enumerate(rounds))


def test_the_king_of_the_hill_is_the_strongest() -> None:
    """Whoever begins, the strongest ends as king, and beats all others in a row.

    A king that leaves is followed.
    """
    entrants = [NAMES[i] for i in (3, 1, 4, 0, 2)]
    rounds = _through(Hill(), entrants, _by_strength)
    assert Hill.court(entrants, rounds)[0] == "p00"
    planned = Hill().next_round(entrants, frozenset({"p00"}), rounds[:4])
    assert "p00" not in planned[0].players


def test_adaptive_allocation_spends_where_it_is_close() -> None:
    """Two near-equal players get most of the blocks; parted ranks end it before the budget does."""
    rng = np.random.default_rng(4)
    strength = {"p00": 2.0, "p01": 0.15, "p02": 0.0, "p03": -2.0}

    def play(meeting: Meeting) -> Met:
        one, two = meeting.players
        chance = 1 / (1 + np.exp(strength[two] - strength[one]))
        share = float(rng.binomial(2 * meeting.blocks, chance)) / (2 * meeting.blocks)
        return Met(meeting, {one: share, two: 1 - share})

    form = Adaptive(budget=300)
    rounds = _through(form, NAMES[:4], play)
    spent = Counter(frozenset(met.meeting.players) for entries in rounds for met in entries)
    assert sum(met.meeting.blocks for entries in rounds for met in entries) <= 300
    assert spent.most_common(1)[0][0] == {"p01", "p02"}
    rating, spread = fit(NAMES[:4], rounds)
    assert rating[0] > rating[1] > rating[3]
    assert np.allclose(spread.sum(axis=0), 0, atol=1e-9)
    quota = _through(Adaptive(budget=300, most=20), NAMES[:4], play)
    met = [met.meeting for entries in quota for met in entries]
    of_pair = Counter[frozenset[str]]()
    for meeting in met:
        of_pair[frozenset(meeting.players)] += meeting.blocks
    assert max(of_pair.values()) == 20
    clear = _through(Adaptive(budget=4000), NAMES[:3], _by_strength)
    assert sum(met.meeting.blocks for entries in clear for met in entries) < 400


def test_tie_breaks_in_their_order() -> None:
    """Equal points: who won among them is first, then whose opponents did better; lots depend on the seed."""
    results = {
        ("a", "b"): 1.0,
        ("c", "d"): 1.0,
        ("b", "c"): 1.0,
        ("d", "a"): 0.5,
        ("a", "c"): 0.0,
        ("b", "d"): 0.5,
    }
    rounds = [
        (Met(Meeting(pair, 1), {pair[0]: share, pair[1]: 1 - share}),) for pair, share in results.items()
    ]
    table = places("abcd", rounds, 0)
    assert [place.points for place in table] == [2.0, 1.5, 1.5, 1.0]
    assert table[0].player == "c"
    assert [place.player for place in table[1:3]] == ["a", "b"]  # a beat b
    assert table[1].buchholz == 2.0 + 1.5 + 1.0
    level = [(Met(Meeting(("a", "b"), 1), {"a": 0.5, "b": 0.5}),)]
    assert {places("ab", level, seed)[0].player for seed in range(20)} == {"a", "b"}
    assert all(one.key >= two.key for one, two in pairwise(table))


def test_every_format_ends() -> None:
    """Each format of the table, with its defaults, comes to an end and plays everybody."""
    scene = {"name": "x", "focal": ("s_0",), "background": {"player": NAMES[:2]}}
    for name, kind in FORMATS.items():
        entrants = NAMES[: 2 if name == "duel" else 6]
        form = kind(scenarios=(scene,)) if name == "scenarios" else kind()
        rounds = _through(form, entrants, _at_random(np.random.default_rng(1)))
        seen = {player for entries in rounds for met in entries for player in met.meeting.players}
        assert seen == set(entrants), name
