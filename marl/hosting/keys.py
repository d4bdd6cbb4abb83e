"""CURVE keys for hosts on other machines: made once, in two halves; each side holds its own and no more.

`make_keys("team")` makes `team/host` (goes to the machines that run `marl host`) and `team/owner` (stays
where pools are made). A half is a folder with two lines: `secret.key`, its own, and `peer.key`, the public
key of the other side. Folders are 0700, files 0600, and neither side starts with keys that others can read.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from marl.errors import ConfigError, HostError

if TYPE_CHECKING:
    from collections.abc import Callable

_DOMAIN = "marl-hosting"
"""The exact ZAP domain: the wildcard of pyzmq's authenticator does not match a domain that is set."""

_SECRET, _PEER = "secret.key", "peer.key"
_Z85_CHARACTERS = 40


@dataclass(frozen=True)
class Keys:
    """One half: its secret and public key, and the public key of the other half; all in Z85."""

    secret: bytes
    public: bytes
    peer: bytes

    def __repr__(self) -> str:
        return f"Keys(public={self.public.decode()})"


def make_keys(folder: Path) -> tuple[Path, Path]:
    """Make both halves under `folder`; returns the host's and the owner's; ConfigError where it exists."""
    host_public, host_secret = zmq.curve_keypair()
    owner_public, owner_secret = zmq.curve_keypair()
    try:
        folder.mkdir(mode=0o700, parents=True)
        for name, secret, peer in (("host", host_secret, owner_public), ("owner", owner_secret, host_public)):
            half = folder / name
            half.mkdir(mode=0o700)
            for file, key in ((_SECRET, secret), (_PEER, peer)):
                with open(half / file, "xb", opener=_private) as out:
                    out.write(key + b"\n")
    except OSError as error:
        raise ConfigError(
            f"keys: {folder}",
            got=str(error.strerror),
            expected="a folder that can be made anew",
            remedy="Choose another name: keys are never overwritten.",
        ) from error
    return folder / "host", folder / "owner"


def load_keys(half: Path) -> Keys:
    """The half that lies in a folder; ConfigError where others can read it or it is no key."""
    for path in (half, half / _SECRET, half / _PEER):
        try:
            status = path.stat()
        except OSError as error:
            raise ConfigError(
                f"keys: {path}",
                got=str(error.strerror),
                expected=f"a folder with {_SECRET} and {_PEER}",
                remedy="Make keys with `marl keys NAME`; hosts take NAME/host, pools take NAME/owner.",
            ) from error
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or status.st_uid != os.getuid():
            raise ConfigError(
                f"keys: {path}",
                got=f"mode {stat.S_IMODE(status.st_mode):04o}, owner {status.st_uid}",
                expected="keys that only you can read",
                remedy=f"Run: chmod 700 {half} && chmod 600 {half}/*.key",
            )
    secret, peer = (_read(half / name) for name in (_SECRET, _PEER))
    return Keys(secret, zmq.curve_public(secret), peer)


def connect_with(socket: zmq.Socket[Any], keys: Keys) -> None:
    """Make a socket prove itself with its own key, and talk only to whoever holds the other half."""
    socket.curve_secretkey, socket.curve_publickey = keys.secret, keys.public
    socket.curve_serverkey = keys.peer


def bind_with(socket: zmq.Socket[Any], keys: Keys) -> Callable[[], None]:
    """Make a socket admit only whoever holds the other half; returns what ends the checking."""
    checker = ThreadAuthenticator(socket.context)
    checker.start()
    checker.configure_curve_callback(_DOMAIN, _Admission(keys.peer))
    socket.zap_domain = _DOMAIN.encode()
    socket.curve_server = True
    socket.curve_secretkey, socket.curve_publickey = keys.secret, keys.public
    return checker.stop


class _Admission:
    """Admits one public key."""

    def __init__(self, peer: bytes) -> None:
        self._peer = peer

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether this key may come in."""
        return domain == _DOMAIN and key == self._peer


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(path: Path) -> bytes:
    key = path.read_bytes().strip()
    try:
        if len(key) == _Z85_CHARACTERS:
            zmq.curve_public(key)
            return key
    except (ValueError, zmq.ZMQError):
        pass
    raise HostError(
        f"keys: {path}", got=f"{len(key)} characters that are no key", expected="a key of `marl keys`"
    )
