"""The contract of a learner: it improves a policy from fragments, and writes what it is to disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from marl.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from marl.fragment import Fragment
    from marl.settings import Settings
    from marl.spec import Spec


class Learner(Protocol):
    """Made as `Learner(spec, settings, seed, roles)`. `policy` is live: it changes with every update.

    `want_state`: its fragments must hold the state. `decisions`: how many it has learned from. Loss falls on
    valid rows that the policy decided; where a row was truncated or cut its value is bootstrapped.
    """

    Settings: ClassVar[type[Settings]]
    policy: Policy
    want_state: bool
    decisions: int

    # each learner has settings of its own
    def __init__(self, spec: Spec, settings: Any, seed: int, roles: Sequence[str] = ()) -> None: ...  # noqa: ANN401

    def update(self, fragments: Sequence[Fragment]) -> dict[str, float]:
        """Learn from fragments of its own decisions; returns figures to log."""
        ...

    def snapshot(self, folder: Path, lineage: Mapping[str, Any]) -> Path:
        """Write the policy below `folder` as an immutable folder named by its content hash."""
        ...

    def checkpoint(self, folder: Path) -> Path:
        """Write everything needed to go on, likewise."""
        ...

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint."""
        ...


class Holding(Policy, Protocol):
    """A live policy that can act for a while as it does now."""

    def held(self) -> AbstractContextManager[None]:
        """Within it the policy acts as it did at the start, whatever its learner learns meanwhile."""
        ...


@runtime_checkable
class Pausing(Learner, Protocol):
    """A learner beside which its policy can play on (`agents.rounds`)."""

    policy: Holding

    def updating(self, fragments: Sequence[Fragment]) -> Iterator[dict[str, float]]:
        """`update` in parts of milliseconds: {} after each of them, at last the figures."""
        ...
