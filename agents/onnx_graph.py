"""A policy's network as an ONNX graph: from raw observation leaves to the best action, in the arena's units.

Axes: R rows, F features, P models, M memory, C head outputs, A choices, K numbers of an action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from agents.distributions import MASKED, ActionHeads
from agents.images import Sighted
from agents.layers import tanh
from agents.valuenet import AimNet, ValueNet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from onnx import ModelProto

    from agents.layers import GRU, MLP, Linear
    from agents.networks import ActorNet
    from marl.spaces import Leaf
    from marl.spec import Role

OPSET = 17
IR_VERSION = 9
ROWS = "rows"
OBSERVATION, MASK, MEMORY, SEAT = "observation", "mask", "memory", "seat"
ACTION, OUT, NEXT_MEMORY = "action", "out", "next_memory"
CLIPPED = 10.0
"""Scaled inputs are clipped there (`networks.Inputs`)."""


def graph_of(net: ActorNet, role: Role, told: dict[str, str]) -> ModelProto:
    """The network of a role; `told` goes into the file as metadata.

    Inputs: `observation.0`, ... (R, *leaf) in the leaves' dtypes; `mask` (R, A) uint8 where the arena has
    masks; `memory` (R, M) float32, zeros at a match's start, where the policy has memory; `seat` (R,) int64,
    the seat's index within its role, where seats have models of their own. Outputs: `action` (R, K), the
    best one, 0-based; `out` (R, C), what the heads put out; `next_memory`.
    """
    made = _Graph(net.models)
    x = made.features(role)
    seen = made.body(net, x)
    if net.core is not None:
        seen = made.recurrent(net.core, seen, net.memory_size)
        made.output(NEXT_MEMORY, seen, TensorProto.FLOAT, net.memory_size)
    heads = ActionHeads.of(role, squashed=net.squashed)
    out = made.out(net, heads, seen)
    made.output(OUT, out, TensorProto.FLOAT, None)
    action = made.played(heads, out) if heads.boxes else made.chosen(heads, out, role.mask_size)
    made.output(ACTION, action, helper.np_dtype_to_tensor_dtype(role.action_dtype), role.action_size)
    return made.model(role.name, told)


class _Graph:
    """Nodes in the order they run; every method takes and returns names of values."""

    def __init__(self, models: int) -> None:
        self._models = models
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: list[Any] = []
        if models > 1:
            self._input(SEAT, TensorProto.INT64)

    def model(self, name: str, told: dict[str, str]) -> ModelProto:
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="marl"
        )
        helper.set_model_props(made, told)
        return made

    # what the parts are made of

    def _do(self, operation: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operation}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def _constant(self, array: NDArray[Any] | np.generic) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _input(self, name: str, kind: int, *shape: int) -> str:
        self._inputs.append(helper.make_tensor_value_info(name, kind, [ROWS, *shape]))
        return name

    def output(self, name: str, value: str, kind: int, size: int | None) -> None:
        self._nodes.append(helper.make_node("Cast", [value], [name], to=kind))
        self._outputs.append(helper.make_tensor_value_info(name, kind, [ROWS, size or "outputs"]))

    def _by_model(self, parameter: NDArray[Any]) -> str:
        """A parameter (P, ...): the only model's, or of every row its seat's."""
        if self._models == 1:
            return self._constant(parameter[0])
        return self._do("Gather", self._constant(parameter), SEAT, axis=0)

    def _slice(self, value: str, start: int, stop: int) -> str:
        """Columns `start` to `stop`."""
        start_stop_axis = [self._constant(np.array([number], np.int64)) for number in (start, stop, 1)]
        return self._do("Slice", value, *start_stop_axis)

    def _columns(self, values: list[str]) -> str:
        return values[0] if len(values) == 1 else self._do("Concat", *values, axis=1)

    # what a policy is made of

    def features(self, role: Role) -> str:
        """As `agents.features`: boxes flat, counts one-hot, bytes in [0, 1]."""
        return self._columns([self._leaf(i, leaf) for i, leaf in enumerate(role.observation)])

    def _leaf(self, number: int, leaf: Leaf) -> str:
        kind = helper.np_dtype_to_tensor_dtype(leaf.numpy_dtype)
        raw = self._input(f"{OBSERVATION}.{number}", kind, *leaf.shape)
        rows = self._do("Flatten", raw, axis=1)
        if leaf.choices:
            whole = self._do("Cast", rows, to=TensorProto.INT64)
            hot = [
                self._do("Equal", self._slice(whole, i, i + 1), self._constant(np.arange(size)[None]))
                for i, size in enumerate(leaf.choices)
            ]
            return self._do("Cast", self._columns(hot), to=TensorProto.FLOAT)
        real = self._do("Cast", rows, to=TensorProto.FLOAT)
        return self._do("Mul", real, self._constant(np.float32(1 / 255))) if leaf.dtype == "u1" else real

    def body(self, net: ActorNet, x: str) -> str:
        """Scaled inputs through the hidden layers."""
        mean, scale = (self._by_model(array.numpy()[:, 0]) for array in (net.inputs.mean, net.inputs.scale))
        scaled = self._do("Mul", self._do("Sub", x, mean), scale)
        ends = [self._constant(np.float32(end)) for end in (-CLIPPED, CLIPPED)]
        x = self._do("Clip", scaled, *ends)
        if isinstance(net.body, Sighted):
            return self._hidden(net.body.mlp, self._sight(net.body, x))
        return self._hidden(net.body, x)

    def _sight(self, body: Sighted, x: str) -> str:
        """What eyes make of the images, behind the other features."""
        parts = [self._slice(x, part.start, part.stop) for part in body.plain]
        for picture in body.pictures:
            flat = self._slice(x, picture.span.start, picture.span.stop)
            image = self._reshape(flat, picture.shape)
            image = self._do("Transpose", image, perm=[0, *(1 + axis for axis in picture.order)])
            parts.append(self._eye(body.eyes[picture.eye], self._reshape(image, picture.chw)))
        return self._columns(parts)

    def _eye(self, eye: Any, x: str) -> str:  # noqa: ANN401  # an Eye
        """All models look at all images; of each image its seat's model is kept."""
        for number, layer in enumerate(eye.layers):
            weight, bias = layer.filters().detach().numpy(), layer.bias.detach().numpy().ravel()
            # the first layer sees the one image; later ones each model's own channels
            groups = self._models if number else 1
            filters = [self._constant(weight), self._constant(bias)]
            strides = [layer.stride] * 2
            x = self._do("Relu", self._do("Conv", x, *filters, strides=strides, group=groups))
        if self._models == 1:
            return self._reshape(x, (eye.size,))
        every = self._reshape(x, (self._models, eye.size))
        seat = self._do("Unsqueeze", SEAT, self._constant(np.array([1], np.int64)))
        return self._do("GatherND", every, seat, batch_dims=1)

    def _reshape(self, value: str, shape: Sequence[int]) -> str:
        """Rows of this shape."""
        return self._do("Reshape", value, self._constant(np.array([-1, *shape], np.int64)))

    def _hidden(self, body: MLP, x: str) -> str:
        layers: list[Any] = list(body.layers)  # of Linear
        for layer in layers:
            x = self._do("Tanh" if body.activation is tanh else "Relu", self._linear(layer, x))
        return x

    def _linear(self, layer: Linear, x: str) -> str:
        """(R, F) to (R, outputs); the noise of a noisy layer is off."""
        weight, bias = (self._by_model(part.detach().numpy()) for part in (layer.weight, layer.bias))
        if self._models == 1:
            return self._do("Add", self._do("MatMul", x, weight), bias)
        middle = self._constant(np.array([1], np.int64))
        product = self._do("Add", self._do("MatMul", self._do("Unsqueeze", x, middle), weight), bias)
        return self._do("Squeeze", product, middle)

    def recurrent(self, core: GRU, x: str, size: int) -> str:
        """The next memory, as `GRU.step`."""
        memory = self._input(MEMORY, TensorProto.FLOAT, size)
        new, old = self._linear(core.input, x), self._linear(core.recurrent, memory)
        (reset, keep, fresh), (old_reset, old_keep, old_fresh) = (
            [self._slice(gates, i * size, (i + 1) * size) for i in range(3)] for gates in (new, old)
        )
        opened = self._do("Sigmoid", self._do("Add", reset, old_reset))
        candidate = self._do("Tanh", self._do("Add", fresh, self._do("Mul", opened, old_fresh)))
        kept = self._do("Sigmoid", self._do("Add", keep, old_keep))
        return self._do("Add", candidate, self._do("Mul", kept, self._do("Sub", memory, candidate)))

    def out(self, net: ActorNet, heads: ActionHeads, seen: str) -> str:
        """As the net's `out`: logits, means, or action values."""
        out = self._linear(net.head, seen)
        if isinstance(net, AimNet):
            return self._do("Tanh", out)
        values = sum(part.size for part in heads.counted)
        if not isinstance(net, ValueNet) or net.head.weight.shape[2] == values:
            return out
        advantage, value = self._slice(out, 0, values), self._slice(out, values, values + 1)
        mean = self._do("ReduceMean", advantage, axes=[1], keepdims=1)
        return self._do("Add", value, self._do("Sub", advantage, mean))

    def chosen(self, heads: ActionHeads, out: str, choices: int) -> str:
        """The best legal choice of each counted part."""
        mask = self._input(MASK, TensorProto.UINT8, choices) if choices else ""
        legal = self._do("Cast", mask, to=TensorProto.BOOL) if choices else ""
        illegal = self._constant(np.float32(MASKED)) if choices else ""
        best, at = [], 0
        for part in heads.counted:
            logits = self._slice(out, at, at + part.size)
            if choices and part.mask_at is not None:
                allowed = self._slice(legal, part.mask_at, part.mask_at + part.size)
                logits = self._do("Where", allowed, logits, illegal)
            best.append(self._do("ArgMax", logits, axis=1, keepdims=1))
            at += part.size
        return self._columns(best)

    def played(self, heads: ActionHeads, mean: str) -> str:
        """Box numbers in the arena's units, within its bounds, as `ActionHeads.played`."""
        middle_K, half_K = heads.units()
        mean = self._slice(mean, 0, heads.boxes)  # behind it stands the spread, where that is an output
        mean = self._do("Tanh", mean) if heads.squashed else mean
        number = self._do("Mul", mean, self._constant(half_K[None]))
        number = self._do("Add", number, self._constant(middle_K[None]))
        number = self._do("Max", number, self._constant(heads.low_K[None]))
        number = self._do("Min", number, self._constant(heads.high_K[None]))
        return self._do("Round", number) if heads.whole else number
