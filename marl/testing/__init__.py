"""The contracts as suites, which prove an arena, an agent or a learner with the tests we use ourselves.

They raise an AssertionError or a MarlError that says what to mend, and return nothing.
"""

from __future__ import annotations

from marl.testing.agents import check_agent, check_policy
from marl.testing.arenas import check_arena
from marl.testing.learners import check_learner

__all__ = ["check_agent", "check_arena", "check_learner", "check_policy"]
