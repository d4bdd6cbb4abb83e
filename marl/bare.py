"""Environments without the wrappers that only check what is checked here, for all copies at once."""

from __future__ import annotations

from typing import Any

from pettingzoo.utils.conversions import aec_to_parallel_wrapper
from pettingzoo.utils.wrappers import AssertOutOfBoundsWrapper, OrderEnforcingWrapper, TerminateIllegalWrapper

_CHECKS = (OrderEnforcingWrapper, AssertOutOfBoundsWrapper, TerminateIllegalWrapper)


def bare(env: Any) -> Any:  # noqa: ANN401  # a PettingZoo environment
    """The same environment without PettingZoo's own checks, down to the first wrapper that does more.

    They change nothing where calls come in order and every action is in its space and legal, as those of a
    BatchArena are; but each read of an attribute passes through all of them, which takes more than half of a
    turn of a small game. Wrappers derived from them stay.
    """
    if type(env) is aec_to_parallel_wrapper:
        env.aec_env = bare(env.aec_env)
    while type(env) in _CHECKS:
        env = env.env
    return env
