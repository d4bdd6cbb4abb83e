"""Everything a learner computes with lies on its device; a device that is not there is refused at the start.

No GPU is needed to see it: torch's `meta` device stands in for one. It computes shapes only, so that what
comes back from it is zeros here, and whatever would mix it with the CPU raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from agents import learner_class
from marl.errors import ConfigError
from tests.agents.material import fragment_of, masks_of, role_of, rows_of, spec_of

if TYPE_CHECKING:
    from pathlib import Path

REPLAY: dict[str, Any] = {"hidden": (8,), "warmup": 8, "every": 4, "batch": 8, "capacity": 400}
KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("ppo", "discrete", {}),
    ("ppo", "box", {"separate": True, "box": "squashed", "spread": "state"}),
    ("ppo", "discrete", {"memory": 4, "separate": True}),
    ("ppo", "multidiscrete", {"critic": "state", "target_kl": 1.0}),
    ("dqn", "discrete", {"dueling": True, "noisy": True, "separate": True, "prioritised": True}),
    ("vdn", "discrete", {"team": "all"}),
    ("qmix", "discrete", {"team": "all"}),
    ("maddpg", "discrete", {}),
    ("maddpg", "box", {"separate": True}),
    ("matd3", "box", {}),
    ("iddpg", "discrete", {}),
]
_MAY_MIX = {"copy_", "to", "__setitem__", "__get__", "__set__"}


class OneDevice(TorchFunctionMode):
    """Raises where a call is given tensors of the CPU and of `meta`; single numbers may come from both."""

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401  # torch's
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # torch's
        kinds = {t.device.type for t in tensors([*args, *(kwargs or {}).values()]) if t.dim()}
        assert len(kinds) < 2 or func.__name__ in _MAY_MIX, f"{func.__name__} of {kinds}"
        return func(*args, **(kwargs or {}))


def tensors(values: Any) -> Iterator[torch.Tensor]:  # noqa: ANN401  # arguments of a call
    """All tensors among arguments, lists of them included."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors(value)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cuda` means the device `meta`, from which zeros come back."""

    def back(tensor: torch.Tensor) -> torch.Tensor:
        return torch.zeros(tensor.shape, dtype=tensor.dtype) if tensor.is_meta else tensor

    monkeypatch.setattr(torch.Tensor, "cpu", back)
    for module in ("agents.ppo", "agents.offpolicy"):
        monkeypatch.setattr(f"{module}.device_of", lambda name, where: torch.device("meta"))


@pytest.mark.parametrize(("name", "action", "settings"), KINDS, ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_nothing_is_left_behind(
    name: str, action: str, settings: dict[str, Any], *, masked: bool, elsewhere: None, tmp_path: Path
) -> None:
    """Acting, updating, snapshot and checkpoint: nets, targets, optimisers and batches are on the device."""
    role = role_of(action=action, masked=masked and action == "discrete")
    spec = spec_of(role, state_size=4 if name == "qmix" or "critic" in settings else 0)
    kind = learner_class(name)
    base = {"hidden": (8,)} if name == "ppo" else REPLAY
    learner = kind(spec, kind.Settings(**{**base, **settings, "device": "cuda"}), 0)
    rng = np.random.default_rng(0)
    with OneDevice():
        for _ in range(2):
            fragment = fragment_of(spec, role, learner.policy, rng)
            learner.update([fragment])
        learner.checkpoint(tmp_path)
        learner.snapshot(tmp_path, {})
    assert learner.updates > 0
    nets = [net for net in vars(learner).values() if isinstance(net, torch.nn.Module)]
    nets += learner.policy.nets.values()
    assert {p.device.type for net in nets for p in (*net.parameters(), *net.buffers())} == {"meta"}


def test_what_is_left_behind_is_seen(elsewhere: None) -> None:
    """The test itself: a net that stays on the CPU makes it raise."""
    role = role_of()
    spec = spec_of(role)
    kind = learner_class("ppo")
    learner = kind(spec, kind.Settings(hidden=(8,), device="cuda"), 0)
    learner._parts["worker"].critic.to_empty(device="cpu")
    asked: Any = (role, [np.zeros((4, 5), np.float32)], masks_of(role, 4, np.random.default_rng(0)))
    learner.policy.act(*asked, np.zeros((4, 0), np.float32), rows_of(4), greedy=False)
    with OneDevice(), pytest.raises((AssertionError, RuntimeError)):
        learner.update([fragment_of(spec, role, learner.policy, np.random.default_rng(0))])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("name", ["ppo", "dqn", "maddpg"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    """At the start, with what there is."""
    kind = learner_class(name)
    settings = kind.Settings.read(name, {"device": "cuda"})
    with pytest.raises(
        ConfigError, match=f"{name} on toy: device: got 'cuda'; expected one of this machine's: cpu"
    ):
        kind(spec_of(role_of()), settings, 0)
    with pytest.raises(ConfigError, match="device"):
        kind.Settings.read(name, {"device": "tpu"})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize(("name", "action", "settings"), KINDS, ids=str)
def test_a_gpu_learns_what_a_cpu_learns(name: str, action: str, settings: dict[str, Any]) -> None:
    """The same updates from the same fragments end at the same weights, to rounding."""
    from agents.checkpoint import pack

    role = role_of(action=action)
    spec = spec_of(role, state_size=4 if name == "qmix" or "critic" in settings else 0)
    kind = learner_class(name)
    base = {"hidden": (8,)} if name == "ppo" else REPLAY
    made = [kind(spec, kind.Settings(**{**base, **settings, "device": d}), 0) for d in ("cpu", "cuda")]
    rng = np.random.default_rng(0)
    for _ in range(2):
        fragment = fragment_of(spec, role, made[0].policy, rng)
        for learner in made:
            learner.update([fragment])
    ours, theirs = (pack(learner.policy.nets) for learner in made)
    for key, array in ours.items():
        np.testing.assert_allclose(theirs[key], array, atol=1e-3, err_msg=key)
