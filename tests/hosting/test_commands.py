"""`marl keys` and `marl host`, as they are typed."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from marl.hosting import HostPool
from tests.hosting.driving import Driver, counter, free_port

if TYPE_CHECKING:
    from pathlib import Path

MARL = (sys.executable, "-m", "marl.cli")


def test_keys_and_hosts_from_the_command_line(root: Path, tmp_path: Path) -> None:
    """Keys made by one command serve the other; a pool reaches both slots; Ctrl-C ends all."""
    made = subprocess.run([*MARL, "keys", str(tmp_path / "team")], cwd=root, capture_output=True, check=True)
    assert str(tmp_path / "team" / "owner") in made.stdout.decode()
    bind = f"tcp://0.0.0.0:{free_port(2)}"
    order = [*MARL, "host", "--bind", bind, "--slots", "2", "--keys", str(tmp_path / "team" / "host")]
    with subprocess.Popen(order, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        told = [keeper.stdout.readline().decode().split() for _ in range(2)]
        addresses = ["tcp://127.0.0.1:" + words[2].rpartition(":")[2] for words in told]
        keys = tmp_path / "team" / "owner"
        with HostPool(counter(), hosts=addresses, copies=4, groups=1, keys=keys) as pool:
            assert not Driver(pool).step().lost_B.any()
        keeper.send_signal(signal.SIGINT)
        assert keeper.wait(10) == 0


def test_a_port_that_is_taken_is_one_error(root: Path) -> None:
    """Another program's port is named in one sentence, with what to look for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        order = [*MARL, "host", "--bind", f"tcp://127.0.0.1:{taken.getsockname()[1]}"]
        refused = subprocess.run(order, cwd=root, capture_output=True, check=False, text=True)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == refused.stderr.count(": got ") == 1
    assert "Address already in use" in refused.stderr
    assert "Is another `marl host` running there?" in refused.stderr


def test_hosts_refuse_what_is_not_safe(root: Path, tmp_path: Path) -> None:
    """An open address without keys, and keys that others can read, are one sentence and an exit code."""
    order = [*MARL, "host", "--bind", "tcp://0.0.0.0:7000"]
    refused = subprocess.run(order, cwd=root, capture_output=True, check=False)
    assert refused.returncode == 1
    assert b"without CURVE keys" in refused.stderr
    subprocess.run([*MARL, "keys", str(tmp_path / "team")], cwd=root, capture_output=True, check=True)
    half = tmp_path / "team" / "host"
    half.chmod(0o755)
    refused = subprocess.run([*order, "--keys", str(half)], cwd=root, capture_output=True, check=False)
    assert refused.returncode == 2
    assert b"mode 0755" in refused.stderr
    assert refused.stderr.count(b"\n") == 1
