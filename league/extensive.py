"""Best responses and NashConv of small games with hidden information, over their whole trees.

A game is anything with OpenSpiel's shape of states; `Node` is the little of it that is needed, so that an
OpenSpiel game can be handed in as it is. A policy maps an information state to the chance of each action.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

TabularPolicy = Callable[["Node"], Mapping[int, float]]


class Node(Protocol):
    """A state of a game."""

    def is_terminal(self) -> bool:
        """Whether the game is over here."""
        ...

    def is_chance_node(self) -> bool:
        """Whether chance moves here."""
        ...

    def chance_outcomes(self) -> Sequence[tuple[int, float]]:
        """(action, chance) of each of chance's moves."""
        ...

    def legal_actions(self) -> Sequence[int]:
        """What the one who moves may do."""
        ...

    def current_player(self) -> int:
        """Who moves here."""
        ...

    def information_state_string(self) -> str:
        """What the one who moves knows."""
        ...

    def returns(self) -> Sequence[float]:
        """What each player gets, at the end."""
        ...

    def child(self, action: int) -> Node:
        """The state after an action."""
        ...


def uniform(node: Node) -> Mapping[int, float]:
    """The policy that plays every legal action equally often."""
    actions = node.legal_actions()
    return dict.fromkeys(actions, 1 / len(actions))


def values(root: Node, policy: TabularPolicy) -> list[float]:
    """What each player gets where all play by the policy."""
    if root.is_terminal():
        return list(root.returns())
    found = [(chance, values(root.child(action), policy)) for action, chance in _moves(root, policy)]
    return [sum(chance * value[p] for chance, value in found) for p in range(len(found[0][1]))]


def _moves(node: Node, policy: TabularPolicy) -> list[tuple[int, float]]:
    if node.is_chance_node():
        return list(node.chance_outcomes())
    return list(policy(node).items())


def best_response_value(root: Node, policy: TabularPolicy, player: int) -> float:
    """What a player gets who knows the policy of all others and answers it best, with perfect recall."""
    members: dict[str, list[tuple[Node, float]]] = defaultdict(list)
    _reach(root, policy, player, 1.0, members)
    choice: dict[str, int] = {}

    def value(node: Node) -> float:
        if node.is_terminal():
            return node.returns()[player]
        if not node.is_chance_node() and node.current_player() == player:
            return value(node.child(best(node.information_state_string())))
        return sum(
            chance * value(node.child(action)) for action, chance in _moves(node, policy) if chance > 0
        )

    def best(known: str) -> int:
        if known not in choice:
            nodes = members[known]
            worth = {
                action: sum(reach * value(node.child(action)) for node, reach in nodes)
                for action in nodes[0][0].legal_actions()
            }
            choice[known] = max(worth, key=lambda action: worth[action])
        return choice[known]

    return value(root)


def _reach(
    node: Node, policy: TabularPolicy, player: int, reach: float, members: dict[str, list[tuple[Node, float]]]
) -> None:
    """Gather the player's nodes by what it knows there, with the others' and chance's reach of each."""
    if node.is_terminal():
        return
    if not node.is_chance_node() and node.current_player() == player:
        members[node.information_state_string()].append((node, reach))
        for action in node.legal_actions():
            _reach(node.child(action), policy, player, reach, members)
        return
    for action, chance in _moves(node, policy):
        if chance > 0:
            _reach(node.child(action), policy, player, reach * chance, members)


def nash_conv(root: Node, policy: TabularPolicy) -> float:
    """How much all players could gain by best responses; per player it is the exploitability."""
    own = values(root, policy)
    return sum(best_response_value(root, policy, player) - own[player] for player in range(len(own)))
