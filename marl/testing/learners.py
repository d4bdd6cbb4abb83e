"""`check_learner`: it learns, what it froze stays frozen, and it goes on from a checkpoint unchanged."""

from __future__ import annotations

import copy
import hashlib
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.batch import LocalPool
from marl.errors import MarlError
from marl.loading import ArenaRef, build, load
from marl.match import Match, Player
from marl.play import Play
from marl.policy import ILLEGAL, POLICY, Decision, Policy, RandomLegal, Rows
from marl.spec import Spec, Ticket
from marl.testing.arenas import reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marl.fragment import Fragment
    from marl.spec import Role

UPDATES = 4
"""How many updates must have changed something."""

Load = Callable[[Path, Spec], Policy]


def check_learner(
    learner: Any,  # noqa: ANN401  # a class that keeps the contract, or its full spec
    arena: str | type | ArenaRef,
    options: Mapping[str, Any] | None = None,
    *,
    settings: Any = None,  # noqa: ANN401  # the learner's Settings
    load_snapshot: Load | None = None,
    copies: int = 8,
    steps: int = 16,
) -> None:
    """Check a learner, made as `Learner(spec, settings, seed, roles)`, in an arena where it holds all seats.

    An update gives finite figures and changes the policy. Snapshots and checkpoints are folders whose
    bytes no later update changes; a learner restored from a checkpoint continues as the one that wrote
    it, bit for bit; half-written folders are refused with a MarlError; what a fallback did in a row has
    no influence on what is learned. One that pauses (`updating`) learns the same, and its policy can be held
    meanwhile. `load_snapshot(folder, spec)`, where given, must refuse half a
    snapshot and give a policy that acts as the frozen one did, after updates, too.

    Raises AssertionError, or the MarlError that the learner raised where it should not have.
    """
    ref = reference(arena, options)
    made = load(learner, "learner") if isinstance(learner, str) else learner
    chosen = made.Settings() if settings is None else settings
    with LocalPool([build(ref)], copies) as pool, tempfile.TemporaryDirectory() as folder:
        suite = _Suite(made, chosen, pool, Path(folder), steps)
        suite.check_updates()
        suite.check_snapshots(load_snapshot)
        suite.check_checkpoints()
        suite.check_fallbacks()
        if hasattr(suite.learner, "updating"):
            suite.check_pauses()


class _Suite:
    def __init__(self, made: Any, settings: Any, pool: LocalPool, folder: Path, steps: int) -> None:  # noqa: ANN401
        self._made, self._settings, self._pool, self._folder = made, settings, pool, folder
        self._name = f"{made.__module__}:{made.__qualname__}"
        self.learner = self._fresh(1)
        state = bool(self.learner.want_state)
        player = Player(self.learner.policy, record=True)
        lineup = dict.fromkeys(pool.spec.seats, "it")

        def schedule(copy_index: int, episode: int) -> Match:
            number = copy_index + episode * pool.copies
            return Match(Ticket(number, number + 17), lineup)

        self._play = Play(pool, schedule, {"it": player}, want_state=state, want_joint=True)
        self._steps = steps

    def _fresh(self, seed: int) -> Any:  # noqa: ANN401  # a learner
        return self._made(self._pool.spec, self._settings, seed)

    def _collect(self) -> list[Fragment]:
        fragments = self._play.collect(self._steps)
        self._play.take_outcomes()
        return fragments

    def _update(self, learner: Any, fragments: Sequence[Fragment]) -> None:  # noqa: ANN401  # a learner
        """Update with fragments of its own: it may keep or change what it is given."""
        figures = learner.update(copy.deepcopy(list(fragments)))
        for name, value in figures.items():
            assert math.isfinite(value), f"{self._name}: update() says {name} = {value}"

    def _snapshot(self, learner: Any) -> Path:  # noqa: ANN401  # a learner
        path = Path(learner.snapshot(self._folder / "snapshots", {"of": "check_learner"}))
        assert path.is_dir(), f"{self._name}: snapshot() gave {path}, which is no folder"
        assert path.parent == self._folder / "snapshots", f"{self._name}: the snapshot lies in {path.parent}"
        return path

    def check_updates(self) -> None:
        """The policy's snapshot is another one after an update."""
        before = self._snapshot(self.learner)
        for _ in range(UPDATES):
            self._update(self.learner, self._collect())
            if self._snapshot(self.learner) != before:
                return
        raise AssertionError(f"{self._name}: {UPDATES} updates change nothing in its snapshot")

    def check_snapshots(self, load_snapshot: Load | None) -> None:
        """What was frozen stays; half of it is refused."""
        path = self._snapshot(self.learner)
        assert path == self._snapshot(self.learner), f"{self._name}: the same policy gives two snapshots"
        before = _digest(path)
        frozen = load_snapshot(path, self._pool.spec) if load_snapshot is not None else None
        seen = self._seen()
        acted = _acts(frozen, seen)
        for _ in range(UPDATES):
            self._update(self.learner, self._collect())
        assert _digest(path) == before, f"{self._name}: an update changes the files of an earlier snapshot"
        same = all((a == b).all() for a, b in zip(acted, _acts(frozen, seen), strict=True))
        assert same, (
            f"{self._name}: an update changes a policy that was loaded from a snapshot; copy the weights"
        )
        if load_snapshot is not None:
            self._refuses_half(path, "snapshot", lambda half: load_snapshot(half, self._pool.spec))

    def check_checkpoints(self) -> None:
        """Going on from a checkpoint equals going on."""
        path = Path(self.learner.checkpoint(self._folder / "checkpoints"))
        before = _digest(path)
        other = self._fresh(2)
        other.restore(path)
        assert self._snapshot(other) == self._snapshot(self.learner), (
            f"{self._name}: restore() gives another policy"
        )
        for _ in range(2):
            fragments = self._collect()
            self._update(self.learner, fragments)
            self._update(other, fragments)
        mine, theirs = self._snapshot(self.learner), self._snapshot(other)
        assert mine == theirs, (
            f"{self._name}: two updates after a checkpoint differ from two uninterrupted ones"
        )
        later = [Path(one.checkpoint(self._folder / "checkpoints")).name for one in (self.learner, other)]
        assert later[0] == later[1], f"{self._name}: equal learners write other checkpoints"
        assert _digest(path) == before, f"{self._name}: an update changes the files of an earlier checkpoint"
        self._refuses_half(path, "checkpoint", self._fresh(3).restore)

    def check_fallbacks(self) -> None:
        """Rows that a fallback decided: whatever it did, the same is learned."""
        path = Path(self.learner.checkpoint(self._folder / "checkpoints"))
        fragments = self._collect()
        found = []
        for turn in (0, 1):
            changed = copy.deepcopy(fragments)
            for fragment in changed:
                late_TR = np.zeros(fragment.valid_TR.shape, np.bool_)
                late_TR[::3] = True
                late_TR &= fragment.valid_TR
                fragment.source_TR[late_TR] = ILLEGAL
                if turn:
                    _act_otherwise(fragment, late_TR)
            one = self._fresh(4)
            one.restore(path)
            self._update(one, changed)
            found.append(self._snapshot(one))
        assert found[0] == found[1], (
            f"{self._name}: what a fallback did in its rows changes what is learned; "
            f"give rows whose source is not {POLICY} no weight"
        )

    def check_pauses(self) -> None:
        """An update in parts is the update; a policy that is held meanwhile acts as before."""
        path = Path(self.learner.checkpoint(self._folder / "checkpoints"))
        whole, parts, seen = self._fresh(5), self._fresh(6), self._seen()
        acted = _acts(self.learner.policy, seen)
        fragments = self._collect()
        with self.learner.policy.held():
            for _ in self.learner.updating(copy.deepcopy(fragments)):
                again = _acts(self.learner.policy, seen)
                same = all((a == b).all() for a, b in zip(acted, again, strict=True))
                assert same, f"{self._name}: a policy that is held acts otherwise while its learner learns"
        whole.restore(path)
        parts.restore(path)
        self._update(whole, fragments)
        list(parts.updating(fragments))
        assert self._snapshot(parts) == self._snapshot(whole), (
            f"{self._name}: updating() learns otherwise than update()"
        )

    def _seen(self) -> list[tuple[Role, list[NDArray[Any]]]]:
        """What all seats of the first group see now, kept."""
        seen = []
        for role in self._pool.spec.roles:
            held = self._pool.frames[0].roles[role.name]
            rows = held.acting_BN.size
            seen.append((role, [leaf.reshape(rows, *leaf.shape[2:]).copy() for leaf in held.observation]))
        return seen

    def _refuses_half(self, path: Path, what: str, read: Callable[[Path], Any]) -> None:
        files = sorted(file for file in path.rglob("*") if file.is_file())
        for file in files:
            for damage in ("missing", "cut short"):
                shutil.rmtree(self._folder / "half", ignore_errors=True)
                half = Path(shutil.copytree(path, self._folder / "half" / path.name))
                damaged = half / file.relative_to(path)
                if damage == "missing":
                    damaged.unlink()
                else:
                    damaged.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
                try:
                    read(half)
                except MarlError:
                    continue
                raise AssertionError(
                    f"{self._name}: a {what} whose {file.name} is {damage} is read as if it were whole"
                )


def _acts(policy: Policy | None, seen: Sequence[tuple[Role, list[NDArray[Any]]]]) -> list[NDArray[Any]]:
    """What a policy does with what was seen, and notes beside it: greedily, everything being legal."""
    if policy is None:
        return []
    said: list[NDArray[Any]] = []
    for role, leaves in seen:
        mask_RA = np.ones((len(leaves[0]), role.mask_size), np.uint8)
        decision = _decide(policy, role, leaves, mask_RA)
        said += [decision.action_RK, *decision.extras.values()]
    return said


def _decide(policy: Policy, role: Role, leaves: list[NDArray[Any]], mask_RA: NDArray[np.uint8]) -> Decision:
    count = len(mask_RA)
    zero = np.zeros(count, np.int32)
    rows = Rows(zero.astype(np.int64), zero.astype(np.uint64), zero, np.arange(count, dtype=np.int32))
    memory_RM = np.zeros((count, policy.memory_size), np.float32)
    return policy.act(role, leaves, mask_RA, memory_RM, rows, greedy=True)


def _act_otherwise(fragment: Fragment, where_TR: NDArray[np.bool_]) -> None:
    """Put other legal actions, and nonsense for what the policy noted beside them, into some rows."""
    times, rows = np.nonzero(where_TR)
    if not len(times):
        return
    mask_RA = fragment.mask_TRA[times, rows]
    leaves = [leaf[times, rows] for leaf in fragment.observation]
    fragment.action_TRK[times, rows] = _decide(RandomLegal(), fragment.role, leaves, mask_RA).action_RK
    for name, values in fragment.extras.items():
        if name != "value":
            values[times, rows] = 0


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        digest.update(str(file.relative_to(folder)).encode())
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()
