"""The gateway's process: what stops it from starting, and what its owner is told when it is gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from gymnasium import spaces

import marl.client
import marl.gateway.remote
from marl.errors import ConfigError, GatewayError
from marl.gateway import Gateway, TimeControl
from marl.policy import POLICY
from marl.spaces import to_json
from marl.spec import Role, Spec
from tests.gateway.driving import RICH_SPEC, SPEC, TOKEN, WAIT_S, answer, ask, rows, seated, sources, turns

if TYPE_CHECKING:
    from marl.gateway import RemotePolicy

PATIENT = TimeControl(move_s=WAIT_S, first_s=WAIT_S)


def gone(pid: int) -> bool:
    """Whether a process is gone, or dead and not yet buried."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in {"Z", "X"}


def collected_error(policy: RemotePolicy, within_s: float) -> GatewayError:
    """The error of `collect`, which must come in time."""
    started = time.monotonic()
    with pytest.raises(GatewayError) as caught:
        policy.collect()
    assert time.monotonic() - started < within_s
    return caught.value


def test_an_occupied_port_is_one_clear_error() -> None:
    """Two gateways on one port: the second says so at once, and leaves nothing behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(GatewayError) as caught:
            Gateway(SPEC, {"bob": TOKEN}, bind=f"127.0.0.1:{port}")
    assert caught.value.where == f"gateway 127.0.0.1:{port}"
    assert caught.value.got == "a port that is taken"
    assert "another port" in caught.value.remedy


@pytest.mark.parametrize(
    ("bind", "says"),
    [
        ("0.0.0.0:0", "without TLS"),
        ("192.0.2.1:0", "without TLS"),
        ("[::]:0", "without TLS"),
        ("example.org:0", "numeric IP address"),
        ("127.0.0.1", "HOST:PORT"),
        ("127.0.0.1:70000", "port"),
    ],
)
def test_addresses_that_others_can_reach_are_refused(bind: str, says: str) -> None:
    """Without TLS only loopback is bound; anything else is refused in one sentence."""
    with pytest.raises(GatewayError, match=says):
        Gateway(SPEC, {"bob": TOKEN}, bind=bind)


def test_a_time_control_that_makes_no_sense_is_refused() -> None:
    """No time at all, and no strikes."""
    for control in (TimeControl(move_s=0), TimeControl(strikes=0), TimeControl(first_s=float("inf"))):
        with pytest.raises(ConfigError):
            Gateway(SPEC, {"bob": TOKEN}, time_control=control)


def test_specs_that_the_wire_cannot_carry_are_refused() -> None:
    """More leaves than frames, and bounds that fill a header, are refused at the start."""
    many = spaces.Tuple([spaces.Box(-1, 1, (1,))] * 17)
    wide = spaces.Box(np.arange(20000, dtype=np.float32), np.arange(20000, dtype=np.float32) + 1)
    for observation, says in ((many, "18 frames"), (wide, "a description of")):
        role = Role("r", ("r_0",), to_json(observation), to_json(spaces.Discrete(2)))
        with pytest.raises(GatewayError, match=says):
            Gateway(Spec("toy", "1", {}, (role,), {}), {"bob": TOKEN})


def test_a_wait_in_vain_says_how_to_start_the_agent() -> None:
    """`wait_for` ends in time, with the command that is missing."""
    with Gateway(SPEC, {"bob": TOKEN}) as gateway:
        with pytest.raises(GatewayError, match=r"client\.py"):
            gateway.wait_for("bob", 0.1)
        with seated(gateway.address):
            assert gateway.wait_for("bob", WAIT_S).state == "ready"
        assert gateway.log() == ""


def test_a_killed_gateway_is_noticed_at_once() -> None:
    """Killed with -9: whoever collects gets a GatewayError, and so does every later call."""
    with Gateway(SPEC, {"bob": TOKEN}, time_control=PATIENT) as gateway, seated(gateway.address) as session:
        gateway.wait_for("bob", WAIT_S)
        policy, idle = gateway.policy("bob"), gateway.policy("bob")
        ask(policy, rows([1, 2]))
        turns(session, 2)
        os.kill(gateway.pid, signal.SIGKILL)
        assert "no process" in collected_error(policy, 2.0).got
        with pytest.raises(GatewayError):
            ask(policy, rows([3]))
        ask(idle, rows([1]))
        collected_error(idle, 2.0)
        with pytest.raises(GatewayError):
            gateway.wait_for("bob", WAIT_S)


def test_a_stopped_gateway_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP: no beat comes, and `collect` gives up; one that goes on in time has lost nothing."""
    monkeypatch.setattr(marl.gateway.remote, "SILENCE_S", 1.5)
    control = TimeControl(move_s=0.5, first_s=0.5)
    with Gateway(SPEC, {"bob": TOKEN}, time_control=control) as gateway, seated(gateway.address) as session:
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        ask(policy, rows([1]))
        (turn,) = turns(session)
        os.kill(gateway.pid, signal.SIGSTOP)
        paused = time.monotonic() + 0.8
        session.act(turn, 1)
        session.flush()
        while time.monotonic() < paused:
            policy._link._poller.poll(10)
        os.kill(gateway.pid, signal.SIGCONT)
        assert sources(policy.collect()) == [POLICY]
        ask(policy, rows([1], 1))
        os.kill(gateway.pid, signal.SIGSTOP)
        try:
            assert "no sign of life" in collected_error(policy, 4.0).got
        finally:
            os.kill(gateway.pid, signal.SIGCONT)


def test_a_fault_of_its_own_ends_the_gateway_rather_than_hang_it() -> None:
    """An ask that the gateway cannot read ends its process with a traceback, and the owner is told."""
    with Gateway(RICH_SPEC, {"bob": TOKEN}, time_control=PATIENT) as gateway, seated(gateway.address):
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        policy.ask(RICH_SPEC.roles[0], (), np.zeros((1, 0), np.uint8), rows([1]))
        collected_error(policy, 3.0)
        assert "Traceback" in gateway.log()


OWNER = """
import sys, time
from marl.gateway import Gateway
from tests.gateway.driving import SPEC, TOKEN
gateway = Gateway(SPEC, {"bob": TOKEN})
print(gateway.pid, gateway.address, flush=True)
time.sleep(60)
"""


def test_the_gateway_dies_with_its_owner(root: Path) -> None:
    """Killing the owner with -9 ends the gateway within 2 s, and its agents' connections with it."""
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as owner:
        assert owner.stdout is not None
        pid, address = owner.stdout.readline().split()
        with seated(address) as session:
            owner.kill()
            deadline = time.monotonic() + 2.0
            assert list(session) == []
            while not gone(int(pid)):
                assert time.monotonic() < deadline


def test_closing_leaves_nothing_behind() -> None:
    """The process, its folder and the agent's connection end; closing twice is fine."""
    gateway = Gateway(SPEC, {"bob": TOKEN})
    folder = Path(gateway.endpoint.removeprefix("ipc://")).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    with seated(gateway.address) as session:
        gateway.wait_for("bob", WAIT_S)
        policy = gateway.policy("bob")
        ask(policy, rows([1]))
        answer(session, 1)
        policy.collect()
        pid = gateway.pid
        gateway.close()
        gateway.close()
        assert {type(event) for event in session} <= {marl.client.End}
    assert gone(pid)
    assert not folder.exists()


def test_the_process_is_light_and_is_told_no_token() -> None:
    """Neither numpy nor torch is loaded, memory is capped, and nothing that it was given holds a token."""
    with Gateway(SPEC, {"bob": TOKEN}) as gateway:
        maps = Path(f"/proc/{gateway.pid}/maps").read_text(encoding="utf-8")
        assert "numpy" not in maps
        assert "torch" not in maps
        limits = Path(f"/proc/{gateway.pid}/limits").read_text(encoding="ascii")
        assert f"{1 << 30} " in next(line for line in limits.splitlines() if "address space" in line)
        assert TOKEN.encode() not in Path(f"/proc/{gateway.pid}/cmdline").read_bytes()
        assert TOKEN.encode() not in Path(f"/proc/{gateway.pid}/environ").read_bytes()


def test_leftovers_of_killed_owners_are_removed(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> None:
    """A folder of an owner that is gone goes when the next gateway starts; fresh ones and live ones stay."""
    monkeypatch.setattr(tempfile, "tempdir", str(short_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    old, fresh, live = (
        short_path / f"marl-gateway-{name}"
        for name in (f"{ended.pid}-a", f"{ended.pid}-b", f"{os.getpid()}-c")
    )
    for folder in (old, fresh, live):
        folder.mkdir()
        (folder / "stderr").touch()
    for folder in (old, live):
        os.utime(folder, (0, 0))
    with Gateway(SPEC, {"bob": TOKEN}):
        assert {fresh, live} < set(short_path.iterdir())
        assert not old.exists()
    assert sorted(short_path.iterdir()) == sorted([fresh, live])
