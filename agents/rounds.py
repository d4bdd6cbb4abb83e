"""Rounds of playing and learning: one after the other, or with `overlap` side by side.

Side by side, the learner learns from a fragment while the next one is played, by the policy as it was before:
all fragments but a task's first are one update behind when they are learned from. What is played does not
depend on how long anything takes, as groups keep their turns and each draw of a policy has a key of its own
(`marl.rng`). Nothing is played beside the last update, so that a task ends with nothing under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from agents.learner import Pausing
from marl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agents.learner import Learner
    from marl.fragment import Fragment
    from marl.match import Outcome
    from marl.play import Play


@dataclass(frozen=True)
class Round:
    """An update: the fragments it learned from, the matches that ended in them, the learner's figures.

    `span_s`: wall time of the round; `times_s`: parts of it, `learn` and those of `Play.take_times`.
    """

    fragments: list[Fragment]
    outcomes: list[Outcome]
    figures: dict[str, float]
    span_s: float
    times_s: dict[str, float]

    @property
    def decisions(self) -> int:
        """How many it learned from."""
        return sum(fragment.decisions for fragment in self.fragments)

    def speed(self) -> dict[str, float]:
        """Where the time went, and how fast it was, as figures to log."""
        span_s, learn_s = max(self.span_s, 1e-9), self.times_s["learn"]
        return {
            **{f"{part}_share": part_s / span_s for part, part_s in self.times_s.items()},
            "play_s": self.span_s - learn_s,
            "learn_s": learn_s,
            "decisions_per_s": self.decisions / span_s,
        }


def rounds(
    play: Play, learner: Learner, player: str, rollout: int, decisions: float, *, overlap: bool = False
) -> Iterator[Round]:
    """Play `rollout` steps and learn, until `player`, whose learner it is, has made that many decisions.

    ConfigError where `overlap` is asked of a learner that does not pause.
    """
    if overlap:
        return _side_by_side(play, _pausing(learner), player, rollout, decisions)
    return _in_turn(play, learner, player, rollout, decisions)


def _in_turn(play: Play, learner: Learner, player: str, rollout: int, decisions: float) -> Iterator[Round]:
    play.take_times()
    decided = 0
    while decided < decisions:
        began_s = perf_counter()
        fragments, outcomes = _of(player, play.collect(rollout)), play.take_outcomes()
        learning_s = perf_counter()
        figures = learner.update(fragments)
        ended_s = perf_counter()
        times_s = {"learn": ended_s - learning_s, **play.take_times()}
        yield Round(fragments, outcomes, figures, ended_s - began_s, times_s)
        decided += sum(fragment.decisions for fragment in fragments)


def _side_by_side(
    play: Play, learner: Pausing, player: str, rollout: int, decisions: float
) -> Iterator[Round]:
    play.take_times()
    made_before = play.decided[player]
    play.begin(rollout)
    more = True
    while more:
        began_s, learn_s = perf_counter(), 0.0
        figures: dict[str, float] = {}
        play.go_on(wait=True)
        more = play.decided[player] - made_before < decisions
        with learner.policy.held():
            fragments = _of(player, play.begin(rollout) if more else play.finish())
            outcomes = play.take_outcomes()
            paused_s = perf_counter()
            for found in learner.updating(fragments):
                figures |= found
                learn_s += perf_counter() - paused_s
                play.go_on(wait=False)
                paused_s = perf_counter()
            play.go_on(wait=True)
        yield Round(
            fragments, outcomes, figures, perf_counter() - began_s, {"learn": learn_s, **play.take_times()}
        )


def _of(player: str, fragments: Sequence[Fragment]) -> list[Fragment]:
    return [fragment for fragment in fragments if fragment.player == player]


def _pausing(learner: Learner) -> Pausing:
    if isinstance(learner, Pausing):
        return learner
    raise ConfigError(
        f"learner {type(learner).__module__}:{type(learner).__qualname__}",
        got="overlap = true",
        expected="a learner that pauses, and whose policy can be held (agents.learner.Pausing)",
        remedy="Leave overlap out.",
    )
