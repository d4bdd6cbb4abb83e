"""`make_pool`: a pool in this process or in hosts, as asked or as a measured step suggests."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from marl.actions import encode_action
from marl.batch import LocalPool
from marl.errors import ConfigError
from marl.hosting.log import LOG
from marl.hosting.plan import copies_per_group
from marl.hosting.pool import HostPool
from marl.loading import build
from marl.spaces import from_json
from marl.spec import Ticket

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from marl.batch import ArenaPool
    from marl.loading import ArenaRef
    from marl.spec import Role

_WORTH_S = 5e-4
"""A group's step that takes longer is worth a process: signalling costs about a tenth of it."""

_STEPS_TIMED = 5


def make_pool(
    ref: ArenaRef,
    *,
    hosts: int | Literal["auto"] | Sequence[str],
    copies: int,
    groups: int,
    keys: Path | str | None = None,
) -> ArenaPool:
    """A pool of `copies` in `groups`: in this process for 0 hosts, else in host processes, or at addresses.

    "auto" times a group's step here and takes as many hosts as there are cores where it is worth a process;
    it logs what it chose. Errors are those of `HostPool` and of building the arena.
    """
    if not isinstance(hosts, int | str):
        return HostPool(ref, hosts=hosts, copies=copies, groups=groups, keys=keys)
    if hosts == "auto":
        return _measured(ref, copies, groups)
    if isinstance(hosts, str):
        raise ConfigError("pool: hosts", got=repr(hosts), expected="a number, 'auto', or a list of addresses")
    each = copies_per_group(copies, groups, hosts)
    return HostPool(ref, hosts=hosts, copies=copies, groups=groups) if hosts else _local(ref, each, groups)


def _measured(ref: ArenaRef, copies: int, groups: int) -> ArenaPool:
    each = copies_per_group(copies, groups, 0)
    local = _local(ref, each, groups)
    try:
        took_s = _step_seconds(local)
    except BaseException:
        local.close()
        raise
    cores = min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, each
    )
    chosen = cores if took_s >= _WORTH_S and cores > 1 else 0
    LOG.info("%s: a step of %d copies takes %.0f us here; %d hosts", ref.arena, each, took_s * 1e6, chosen)
    local.close()
    return HostPool(ref, hosts=chosen, copies=copies, groups=groups) if chosen else _local(ref, each, groups)


def _local(ref: ArenaRef, copies: int, groups: int) -> LocalPool:
    return LocalPool([build(ref) for _ in range(groups)], copies)


def _step_seconds(pool: LocalPool) -> float:
    """Median seconds of a step of group 0, over a few steps with legal actions everywhere."""
    frame, orders = pool.frames[0], pool.orders[0]
    for copy in range(len(frame.ticket_B)):
        orders.follow(copy, Ticket(copy, copy))
    times = []
    for _ in range(_STEPS_TIMED + 1):
        for role in pool.spec.roles:
            orders.action[role.name][...] = _legal_BNK(role, frame.roles[role.name].mask_BNA)
        began_s = time.perf_counter()
        pool.send(0)
        times.append(time.perf_counter() - began_s)
    # The first step only begins the matches.
    return float(np.median(times[1:]))


def _legal_BNK(role: Role, mask_BNA: NDArray[np.uint8]) -> NDArray[Any]:
    """An action for every seat: the first legal choices where there are masks, else a drawn one."""
    space = from_json(role.action_space)
    space.seed(0)
    action_K = np.zeros(role.action_size, role.action_dtype)
    encode_action(role.action_space, space.sample(), action_K, f"action of {role.name}")
    action_BNK = np.broadcast_to(action_K, (*mask_BNA.shape[:2], role.action_size)).copy()
    if not role.masked:
        return action_BNK
    at = number = 0
    for leaf in role.action:
        for position, choices in enumerate(leaf.choices):
            action_BNK[..., number + position] = mask_BNA[..., at : at + choices].argmax(-1)
            at += choices
        number += leaf.size
    return action_BNK
