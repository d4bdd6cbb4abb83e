"""The gateway for agents from outside: a process of its own, with limits and clocks.

`Gateway` starts and supervises it from the league's side; `Gateway.policy(player)` is a policy like any
other. Names are loaded when they are first used, so that the gateway's own process carries no numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marl.gateway.clock import TimeControl
    from marl.gateway.owner import Gateway, Standing, new_token
    from marl.gateway.remote import Forfeit, RemotePolicy

__all__ = ["Forfeit", "Gateway", "RemotePolicy", "Standing", "TimeControl", "new_token"]

_HOMES = {
    "Forfeit": "remote",
    "Gateway": "owner",
    "RemotePolicy": "remote",
    "Standing": "owner",
    "TimeControl": "clock",
    "new_token": "owner",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # a class or a function
    if name not in _HOMES:
        raise AttributeError(f"module 'marl.gateway' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"marl.gateway.{_HOMES[name]}"), name)
