"""The league's side of the gateway: start its process, hand out policies, know who is there, end it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

import marl
from marl.errors import ConfigError, GatewayError, UnknownNameError
from marl.gateway.clock import TimeControl
from marl.gateway.remote import Link, RemotePolicy
from marl.hosting.link import sweep
from marl.spec import content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marl.spec import Role, Spec

START_S = 20.0
STOP_S = 3.0
ANSWER_S = 5.0
_FOLDER = "marl-gateway-"
_SOCKET_PATH_BYTES = 100
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")


@dataclass(frozen=True)
class Standing:
    """How an external player is connected: `state` is absent, connected or ready.

    `agent` is what its agent calls itself, `seats` how many it holds now.
    """

    player: str
    state: str
    agent: str
    seats: int


def new_token() -> str:
    """A join token of 256 bits."""
    return secrets.token_urlsafe(32)


class Gateway:
    """A gateway process for one arena and the players that may come in; ends when closed, or with its owner.

    Args:
        spec: the arena's.
        tokens: the join token of each player; the process is told their sha256 only.
        bind: address and port; port 0 takes a free one. Loopback only: TLS is not spoken yet.
        time_control: how long agents may think.

    Raises GatewayError at once when it can't start: a taken port, an address that others can reach, a spec
    that the wire can't carry.
    """

    def __init__(
        self,
        spec: Spec,
        tokens: Mapping[str, str],
        *,
        bind: str = "127.0.0.1:0",
        time_control: TimeControl | None = None,
    ) -> None:
        self.spec = spec
        self.time_control = _valid(time_control or TimeControl())
        self._players = tuple(tokens)
        self._policies: list[RemotePolicy] = []
        sweep(_FOLDER)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
        self.endpoint = f"ipc://{self._folder}/control"
        self._log = (self._folder / "stderr").open("a+b")
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Link | None = None
        self.address = ""
        try:
            self._check()
            self._process = self._start()
            self.address = self._first_line(self._configuration(bind, tokens))
            self._link = Link(self.endpoint)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process, for whoever watches it."""
        assert self._process is not None
        return self._process.pid

    def policy(self, player: str) -> RemotePolicy:
        """A policy that plays for `player`; each thread or process of play takes its own."""
        self._known(player)
        policy = RemotePolicy(self.endpoint, player, self.time_control.substitute)
        self._policies.append(policy)
        return policy

    def wait_for(self, player: str, timeout_s: float) -> Standing:
        """Wait until the player's agent is connected and warmed up; GatewayError after `timeout_s`."""
        standing = self._request("wait", player, timeout_s)
        if standing is None:
            raise GatewayError(
                f"gateway {self.address}, player {player}",
                got=f"no agent that was ready within {timeout_s:g} s",
                expected="its agent connected with the player's token",
                remedy=f"Start it: python client.py {self.address} --token ... agent.py:act",
            )
        return standing

    def standing_of(self, player: str) -> Standing:
        """How the player is connected now."""
        standing = self._request("standing", player, ANSWER_S)
        if standing is None:
            raise GatewayError("gateway", got=f"no answer within {ANSWER_S:g} s", expected="one at once")
        return standing

    def log(self) -> str:
        """The end of what the process wrote to its standard error."""
        if self._log.closed:
            return ""
        self._log.seek(max(0, os.fstat(self._log.fileno()).st_size - 4000))
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """End the process and everything that belongs to it; safe to call twice."""
        for policy in self._policies:
            policy.close()
        if self._link is not None:
            self._link.close()
        if self._process is not None:
            _end(self._process)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request(self, kind: str, player: str, timeout_s: float) -> Standing | None:
        self._known(player)
        assert self._link is not None
        number = self._link.send({"t": kind, "player": player})
        end_s = time.monotonic() + timeout_s
        while (left_s := end_s - time.monotonic()) > 0:
            message = self._link.receive(left_s)
            # An earlier request that nobody waited for any longer may be answered first.
            if message is not None and message[0]["id"] == number:
                header = message[0]
                return Standing(player, header["state"], header["agent"], header["seats"])
        return None

    def _known(self, player: str) -> None:
        if player not in self._players:
            raise UnknownNameError(f"gateway {self.address}: player", player, self._players)

    def _check(self) -> None:
        if len(self.endpoint) > _SOCKET_PATH_BYTES:
            remedy = "Set TMPDIR to a folder with a shorter path."
            raise GatewayError(
                "gateway", got=f"{self._folder}", expected="a path of 90 bytes at most", remedy=remedy
            )

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = str(Path(marl.__file__).parent.parent)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "marl.gateway.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            cwd=self._folder,
        )

    def _configuration(self, bind: str, tokens: Mapping[str, str]) -> dict[str, Any]:
        host, colon, port = bind.rpartition(":")
        if not colon or not port.isdecimal():
            raise GatewayError(
                "gateway: bind", got=repr(bind), expected="HOST:PORT", remedy="For example 127.0.0.1:0."
            )
        time_control = msgspec.to_builtins(self.time_control)
        return {
            "host": host.strip("[]"),
            "port": int(port),
            "control": self.endpoint,
            "arena": self.spec.arena,
            "rules_hash": content_hash([self.spec.hash, time_control]),
            "players": {name: hashlib.sha256(token.encode()).hexdigest() for name, token in tokens.items()},
            "roles": [_role(self.spec, role) for role in self.spec.roles],
            "time": time_control,
        }

    def _first_line(self, configuration: dict[str, Any]) -> str:
        """Hand over the configuration; the address that the process then listens on, or why it does not."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(configuration).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # It is gone already: the empty line below says so.
        ready, _, _ = select.select([process.stdout], [], [], START_S)
        line = process.stdout.readline() if ready else b""
        if not line:
            got = "a process that ended" if ready else f"no sign of life within {START_S:g} s"
            raise GatewayError("gateway", got=f"{got}: {self.log().strip()[-1000:]}", expected="its address")
        answer = json.loads(line)
        if "error" in answer:
            error = answer["error"]
            raise GatewayError(
                error["where"], got=error["got"], expected=error["expected"], remedy=error["remedy"]
            )
        address: str = answer["address"]
        return address


def _valid(time_control: TimeControl) -> TimeControl:
    try:
        return msgspec.convert(msgspec.to_builtins(time_control), TimeControl)
    except msgspec.ValidationError as error:
        raise ConfigError("gateway: time control", got=str(time_control), expected=str(error)) from None


def _role(spec: Spec, role: Role) -> dict[str, Any]:
    index = {seat: i for i, seat in enumerate(spec.seats)}
    return {
        "name": role.name,
        "seats": {seat: index[seat] for seat in role.seats},
        "observation_space": role.observation_space,
        "action_space": role.action_space,
        "mask_size": role.mask_size,
        "leaves": [[leaf.dtype, list(leaf.shape)] for leaf in role.observation],
        "action_dtype": f"{role.action_dtype.kind}{role.action_dtype.itemsize}",
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end by closing its standard input, then insist."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
