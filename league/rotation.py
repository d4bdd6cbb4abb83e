"""Seat rotations: the lineups over which a block cancels the advantage of a seat."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

Lineup = Mapping[str, str]
"""Seat -> player id, in the arena's order of seats."""


def rotations(
    lineup: Lineup,
    roles: Mapping[str, Sequence[str]],
    teams: Mapping[str, Sequence[str]] | None = None,
    covers: Mapping[str, Sequence[str]] | None = None,
) -> tuple[dict[str, str], ...]:
    """The distinct lineups that cyclic rotation within each role makes of one lineup.

    The given one comes first. A rotation that would tear a team apart is left out: team-mates stay
    team-mates. `covers` says which roles each player can play; where it lets the players of whole roles
    change places, the role swaps are rotated, too.
    """
    order = [seat for seats in roles.values() for seat in seats]
    found: list[dict[str, str]] = []
    for swapped in _role_swaps(lineup, roles, covers or {}):
        for shifts in itertools.product(*(range(len(seats)) for seats in roles.values())):
            source = {
                seat: seats[(place + shift) % len(seats)]
                for shift, seats in zip(shifts, roles.values(), strict=True)
                for place, seat in enumerate(seats)
            }
            rotated = {seat: swapped[source[seat]] for seat in order}
            if rotated not in found and _keeps_teams(source, teams or {}):
                found.append(rotated)
    return tuple(found)


def _role_swaps(
    lineup: Lineup, roles: Mapping[str, Sequence[str]], covers: Mapping[str, Sequence[str]]
) -> Sequence[Lineup]:
    """The lineup, and those where the players of whole roles move on by one role, two roles, ...

    Possible where every role is held by a single player or all have the same number of seats, and everybody
    covers the role they come to.
    """
    names = list(roles)
    holders = [[lineup[seat] for seat in roles[name]] for name in names]
    single = all(len(set(players)) == 1 for players in holders)
    if not single and len({len(players) for players in holders}) > 1:
        return [lineup]
    swaps = []
    for shift in range(len(names)):
        moved: dict[str, str] = {}
        for place, name in enumerate(names):
            players = holders[(place + shift) % len(names)]
            moved |= {seat: players[i if not single else 0] for i, seat in enumerate(roles[name])}
        role_of = {seat: name for name, seats in roles.items() for seat in seats}
        if shift == 0 or all(role_of[seat] in covers.get(player, ()) for seat, player in moved.items()):
            swaps.append(moved)
    return swaps


def _keeps_teams(source: Mapping[str, str], teams: Mapping[str, Sequence[str]]) -> bool:
    wholes = {frozenset(seats) for seats in teams.values()}
    return all(frozenset(source[seat] for seat in seats) in wholes for seats in teams.values())
