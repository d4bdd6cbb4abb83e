"""The suites can fail: each breach of a contract is caught, and told in words that lead to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gymnasium import spaces

from marl.arena import Arena, Step
from marl.errors import ActionError, ArenaFaultError, MarlError, ObservationError, SpecError
from marl.policy import Decision, RandomLegal
from marl.testing import check_agent, check_arena, check_policy
from tests.contract.toys import Doors, Leavers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from marl.policy import Rows
    from marl.spec import Role

GLOBAL = np.random.default_rng(0)


class Walk(Arena):
    """A sound arena, of which the broken ones below are made."""

    seats = ("walker_0", "walker_1")
    observation: Any = spaces.Box(-100, 100, (2,), np.float32)
    action: Any = spaces.Discrete(3)
    max_steps = 4

    def setup(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.place = rng.normal(size=2)

    def observe(self, seat: str) -> Any:  # noqa: ANN401  # the broken ones give anything
        return self.place

    def advance(self, actions: Mapping[str, Any]) -> Step:
        self.place += self.rng.normal(size=2)
        return Step(reward={seat: float(action) for seat, action in actions.items()})


class GlobalRandomness(Walk):
    def advance(self, actions: Mapping[str, Any]) -> Step:
        self.place += GLOBAL.normal(size=2)
        return Step()


class HasAPast(Walk):
    played = 0.0

    def setup(self, rng: np.random.Generator) -> None:
        super().setup(rng)
        self.played += 1
        self.place[0] = self.played


class LateRandomness(Walk):
    """Random from its second step on: PettingZoo 1.27's own seed test passes it."""

    def setup(self, rng: np.random.Generator) -> None:
        super().setup(rng)
        self.clock = 0

    def advance(self, actions: Mapping[str, Any]) -> Step:
        self.clock += 1
        self.place += (GLOBAL if self.clock > 1 else self.rng).normal(size=2)
        return Step()


class IgnoresTheSeed(Walk):
    def setup(self, rng: np.random.Generator) -> None:
        super().setup(np.random.default_rng(5))


class SaysItIgnoresTheSeed(Walk):
    seeded = False


class WrongShape(Walk):
    def observe(self, seat: str) -> Any:  # noqa: ANN401  # broken
        return self.place[:1]


class WrongKind(Walk):
    observation = spaces.Box(-100, 100, (2,), np.int32)


class OutOfItsSpace(Walk):
    observation = spaces.Box(-0.1, 0.1, (2,), np.float32)


class NotANumber(Walk):
    observation = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def observe(self, seat: str) -> Any:  # noqa: ANN401  # broken
        return self.place * np.nan


class BadReward(Walk):
    def advance(self, actions: Mapping[str, Any]) -> Step:
        return Step(reward=np.inf)


class Misspelt(Walk):
    def advance(self, actions: Mapping[str, Any]) -> Step:
        return Step(reward={"waker_0": 1.0})


class NoScore(Walk):
    def scores(self) -> dict[str, float]:
        return {"walker_0": 1.0}


class Raises(Walk):
    def advance(self, actions: Mapping[str, Any]) -> Step:
        raise ZeroDivisionError("in the third corner")


class NobodyThere(Walk):
    def present(self) -> tuple[str, ...]:
        return ()


class ClosedDoors(Doors):
    def mask(self, seat: str) -> NDArray[np.bool_]:
        return np.zeros(4, np.bool_)


class ShortMask(Doors):
    def mask(self, seat: str) -> NDArray[np.bool_]:
        return self.open[:3]


BROKEN: dict[type[Arena], tuple[type[Exception], str]] = {
    GlobalRandomness: (AssertionError, "alone and in a batch"),
    LateRandomness: (AssertionError, "alone and in a batch.*step 2"),
    HasAPast: (AssertionError, "alone and in a batch|another past"),
    IgnoresTheSeed: (AssertionError, "all give the same match"),
    SaysItIgnoresTheSeed: (AssertionError, "seeds make no difference"),
    WrongShape: (ObservationError, r"walker_0.*shape \(1,\).*shape \(2,\)"),
    WrongKind: (ObservationError, "walker_0.*float64.*int32"),
    OutOfItsSpace: (ObservationError, r"walker_0.*seed 11, step 0"),
    NotANumber: (ObservationError, "walker_0.*nan"),
    BadReward: (ArenaFaultError, "reward of walker_0.*inf"),
    Misspelt: (SpecError, "waker_0.*walker_0"),
    NoScore: (ArenaFaultError, "score of walker_1"),
    Raises: (ArenaFaultError, r"ZeroDivisionError: in the third corner \(seed 11, step 1\)"),
    NobodyThere: (SpecError, "present"),
    ClosedDoors: (ObservationError, "mask.*zeros only"),
    ShortMask: (ObservationError, "mask.*4 numbers"),
}


def test_a_sound_arena_passes() -> None:
    """The arena that the broken ones are made of breaks nothing."""
    check_arena(Walk)


@pytest.mark.parametrize("arena", BROKEN, ids=lambda arena: arena.__name__)
def test_a_broken_arena_is_told(arena: type[Arena]) -> None:
    """Each kind of breach is one error that names the arena, and the seat where it concerns one."""
    kind, says = BROKEN[arena]
    with pytest.raises(kind, match=says) as caught:
        check_arena(arena)
    assert arena.__name__ in str(caught.value) or any(
        arena.__name__ in note for note in caught.value.__notes__
    )


def test_an_arena_that_shares_its_memory_is_told() -> None:
    """An arena whose PettingZoo face hands out its own arrays fails, whoever overrides the base for it."""
    check_arena(Leavers)
    with pytest.raises(AssertionError, match="handed out"):
        check_arena(Sharing)


class Sharing(Walk):
    def _outer(self, seat: str) -> Any:  # noqa: ANN401  # broken
        self.shared = getattr(self, "shared", np.zeros(2, np.float32))
        self.shared[...] = self.place
        return self.shared


class Stateful:
    """A policy whose draws follow from how often it was asked."""

    memory_size = 0

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

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
        return Decision(self.rng.integers(3, size=(len(rows), 1)))


class Overwriting(RandomLegal):
    """A policy that changes what it is given."""

    def act(self, role: Role, observation: Sequence[NDArray[Any]], *rest: Any, greedy: bool) -> Decision:
        observation[0][...] = 0
        return super().act(role, observation, *rest, greedy=greedy)


class TooFew(RandomLegal):
    """A policy that forgets a row."""

    def act(self, role: Role, observation: Sequence[NDArray[Any]], *rest: Any, greedy: bool) -> Decision:
        decision = super().act(role, observation, *rest, greedy=greedy)
        return Decision(decision.action_RK[1:])


def test_agents_that_keep_the_contract_pass() -> None:
    """A policy, a function of an observation (and a mask), and an agent with a state of its own."""
    check_policy(lambda spec: RandomLegal(), Walk)
    check_agent(lambda observation: int(observation[0] > 0), Walk)
    check_agent(lambda observation, mask: int(np.argmax(mask)), Doors)
    check_agent(RandomLegal(), "tests.contract.toys:TwoRoles")
    check_agent("tests.contract.test_suite:Waiting", Walk, seats=["walker_1"])


class Waiting:
    """An agent that counts its moves and draws from the seed it is given."""

    def reset(self, seat: str, seed: int) -> None:
        assert seat == "walker_1"
        self.rng = np.random.default_rng(seed)

    def act(self, observation: NDArray[np.float32], mask: NDArray[np.uint8] | None) -> int:
        assert mask is None
        return int(self.rng.integers(3))


@pytest.mark.parametrize(
    ("agent", "kind", "says"),
    [
        (Stateful(), AssertionError, "draw from rows.key_R"),
        (Overwriting(), AssertionError, "changes the arrays"),
        (TooFew(), ActionError, "one row of K numbers"),
        (lambda observation: 7, ActionError, "walker_0.*7"),
        (lambda observation: float("nan"), ActionError, "walker_0.*finite"),
        (lambda observation: "left", ActionError, "walker_0.*left"),
    ],
)
def test_a_broken_agent_is_told(agent: object, kind: type[Exception], says: str) -> None:
    """Each kind of breach is one error that leads to it."""
    with pytest.raises(kind, match=says):
        check_agent(agent, Walk)


def test_what_is_no_agent_is_told() -> None:
    """A name that leads to nothing, and a thing that cannot sit in a seat."""
    with pytest.raises(SpecError, match="no 'Nobody'"):
        check_agent("tests.contract.test_suite:Nobody", Walk)
    with pytest.raises(SpecError, match="expected a class"):
        check_agent(5, Walk)
    with pytest.raises(MarlError, match="walker_7"):
        check_agent(lambda observation: 0, Walk, seats=["walker_7"])
