"""A host, driven message by message in this thread."""

from __future__ import annotations

from typing import Any

import pytest
import zmq

from marl.errors import HostError, SpecError, UnknownNameError
from marl.frame import layout
from marl.hosting import plane, wire
from marl.hosting.host import Host, listen
from marl.spec import Spec
from tests.hosting.driving import counter

COPIES = 3


def told(answer: list[bytes]) -> list[Any]:
    """The header of an answer."""
    return wire.unpack(answer[0])


def started(incarnation: int = 1) -> tuple[Host, Spec]:
    """A host with one group on the frames plane."""
    host = Host(incarnation)
    hello = {"protocol": wire.PROTOCOL, "arena": counter().to_json(), "groups": [0], "variants": []}
    said = told(host.answer([wire.pack([wire.HELLO, incarnation, hello])]))
    assert said[0] == wire.SPEC
    assert said[2]["memory"] is False
    spec = Spec.from_json(said[2]["spec"])
    order = {"plane": "frames", "hash": spec.hash, "copies": COPIES, "groups": 1, "start": 0, "stop": COPIES}
    assert told(host.answer([wire.pack([wire.ATTACH, incarnation, order])])) == [wire.READY, incarnation]
    return host, spec


def orders(spec: Spec, fill: int = 0) -> bytes:
    """One raw frame of orders, all bytes alike."""
    _, size = layout(spec, COPIES)
    block = memoryview(bytearray([fill]) * size)
    return plane.gather(plane.slices(spec, COPIES, block, 0, COPIES).orders)


def test_a_step_that_is_heard_again_is_answered_and_not_done_again() -> None:
    """Steps are idempotent by (incarnation, step), and older ones are not answered at all."""
    host, spec = started()
    first = host.answer([wire.pack([wire.STEP, 1, 0, 1]), orders(spec)])
    second = host.answer([wire.pack([wire.STEP, 1, 0, 2]), orders(spec)])
    assert first[1] != second[1]
    assert host.answer([wire.pack([wire.STEP, 1, 0, 2]), orders(spec)]) == second
    assert host.answer([wire.pack([wire.STEP, 1, 0, 1]), orders(spec)]) == []
    third = host.answer([wire.pack([wire.STEP, 1, 0, 3]), orders(spec)])
    assert told(third)[:4] == [wire.DONE, 1, 0, 3]
    assert not host.over


def test_messages_for_another_incarnation_are_refused() -> None:
    """A message for a dead incarnation does nothing but end in a fault."""
    host, spec = started(incarnation=2)
    said = told(host.answer([wire.pack([wire.STEP, 1, 0, 1]), orders(spec)]))
    assert said[0] == wire.FAULT
    assert said[2]["error"]["code"] == "HostError"


def test_orders_of_the_wrong_length_are_refused() -> None:
    """A raw frame that does not fit the layout is a typed fault, longer or shorter."""
    for body in (b"", b"x" * 100_000):
        host, _ = started()
        said = told(host.answer([wire.pack([wire.STEP, 1, 0, 1]), body]))
        assert said[0] == wire.FAULT
        assert "bytes of arrays" in said[2]["error"]["got"]


def test_another_protocol_or_spec_is_refused() -> None:
    """A host says no to a protocol that it does not speak and to a block laid out for another spec."""
    hello = {"protocol": 99, "arena": counter().to_json(), "groups": [0], "variants": []}
    said = told(Host(1).answer([wire.pack([wire.HELLO, 1, hello])]))
    assert said[2]["error"]["got"] == "protocol 99"
    host = Host(1)
    host.answer([wire.pack([wire.HELLO, 1, {**hello, "protocol": wire.PROTOCOL}])])
    order = {"plane": "frames", "hash": "other", "copies": 1, "groups": 1, "start": 0, "stop": 1}
    said = told(host.answer([wire.pack([wire.ATTACH, 1, order])]))
    assert said[2]["error"]["code"] == "SpecError"
    assert host.over


def test_bye_ends_a_host() -> None:
    """BYE has no answer."""
    host, _ = started()
    assert host.answer([wire.pack([wire.BYE, 1])]) == []
    assert host.over
    host.close()


@pytest.mark.parametrize(
    "endpoint", ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://192.0.2.1:7000", "tcp://[::]:0", "tcp://localhost:0"]
)
def test_a_host_never_listens_where_others_can_reach_it(endpoint: str) -> None:
    """An address off loopback, or a name that could mean one, is refused: there are no keys."""
    context: zmq.Context[Any] = zmq.Context()
    with pytest.raises(HostError, match="CURVE"):
        listen(context, endpoint)
    context.term()


def test_other_transports_and_long_paths_are_refused() -> None:
    """Transports that are neither ipc nor tcp, and paths that sockets cannot have, are named."""
    with pytest.raises(HostError, match="transport 'udp'"):
        wire.check_endpoint("udp://127.0.0.1:1")
    with pytest.raises(HostError, match="TMPDIR"):
        wire.check_endpoint(f"ipc:///{'x' * 120}/s")
    wire.check_endpoint("tcp://127.0.0.1:7000")
    wire.check_endpoint("tcp://[::1]:7000")


def test_errors_keep_their_class_and_parts() -> None:
    """A typed error arrives as what it was, any other as HostError; both with the traceback as a note."""
    error = UnknownNameError("arena", "tradign", ["trading"])
    heard = wire.error_from_wire(wire.error_to_wire(error), "host 0")
    assert type(heard) is UnknownNameError
    assert str(heard) == str(error)
    assert "host 0 said" in heard.__notes__[0]
    heard = wire.error_from_wire(wire.error_to_wire(ValueError("odd")), "host 0")
    assert type(heard) is HostError
    assert "ValueError: odd" in heard.got
    assert not isinstance(heard, SpecError)


@pytest.mark.parametrize("header", [b"\xc1", b"\x80", b"\x91\x01", b"\x01", b"\x93\x01"])
def test_headers_that_are_no_messages_are_refused(header: bytes) -> None:
    """Anything but a msgpack list of a kind and an incarnation is a typed error."""
    with pytest.raises(HostError, match="hosting: header"):
        wire.unpack(header)
