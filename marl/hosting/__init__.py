"""Environment processes: pools of arena copies in this process or in hosts of their own."""

from __future__ import annotations

from marl.hosting.choose import make_pool
from marl.hosting.pool import HostPool

__all__ = ["HostPool", "make_pool"]
