"""What `marl doctor` looks at: is this machine, this Python and this installation fit to run the platform?

A package is looked up, not loaded (zmq by its own check only), so that examining is quick and never crashes.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import platform
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from marl.memory import available_bytes

PACKAGES = ("marl", "arenas", "agents", "league")
OLDEST_PYTHON = (3, 11)
# Extra of pyproject.toml -> what is imported of it, and what stays out without it.
EXTRAS = {
    "torch": (("torch",), "learners stay out; scripted and external agents work"),
    "physics": (("pybullet",), "the assembly arena stays out (wheels exist for Python 3.11 only)"),
    "video": (("imageio", "imageio_ffmpeg"), "films of the assembly arena stay out"),
    "solver": (("ortools",), "crews that plan a construction site exactly stay out"),
    "supersuit": (("supersuit",), "SuperSuit wrappers around third-party arenas stay out"),
    "data": (
        ("bokeh_sampledata", "vega_datasets"),
        "real daily prices and weather stay out; synthetic fundamentals and skies work",
    ),
    "onnx": (("onnx", "onnxruntime"), "`marl export` stays out"),
    "parquet": (("pyarrow",), "prices of your own as Parquet stay out; CSV works"),
    "postgres": (("psycopg",), "ledgers in PostgreSQL stay out; SQLite works"),
    "tensorboard": (("tensorboardX",), "the sink `tensorboard` stays out; metrics.jsonl works"),
    "wandb": (("wandb",), "the sink `wandb` stays out; metrics.jsonl works"),
    "mlflow": (("mlflow", "alembic"), "the sink `mlflow` stays out; metrics.jsonl works"),
    "web": (("fastapi", "uvicorn"), "nothing yet: the dashboard is to come; report.html works"),
    "test": (("pytest", "hypothesis", "mpe2", "pygame"), "this project's own tests stay out"),
    "bench": (("Box2D", "pyorderbook", "stable_baselines3"), "benchmarks leave peers out"),
    "bars": (("gym_anytrading", "gym_trading_env"), "benchmarks leave peers of trading on bars out"),
    "oracles": (("choix", "cvxpy", "nashpy", "pyspiel"), "tests leave out other people's solvers"),
}
NEEDED_SHM_BYTES = 256 * 2**20
LONGEST_SOCKET_PATH = 100
COARSEST_CLOCK_S = 1e-3
SLOWEST_READING_S = 1e-5
CLOCK_READS = 1000


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    `ok` is the finding, `detail` says what was found, `remedy` what to do (empty if ok). Where `required` is
    false, the platform works without it and `detail` says what stays out.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = True


def examine(run_folder: Path) -> list[Check]:
    """Make every check, in the order in which their faults explain each other.

    Args:
        run_folder: where runs are written; it need not exist yet.
    """
    return [
        check_python(),
        check_packages(),
        *(check_extra(extra) for extra in EXTRAS),
        check_shared_memory(),
        check_socket_folder(),
        check_loopback(),
        check_curve(),
        check_clocks(),
        check_run_folder(run_folder),
    ]


def check_python() -> Check:
    """The interpreter is recent enough, and the platform is one that we know."""
    found = f"Python {platform.python_version()} on {platform.system()}"
    if sys.version_info < OLDEST_PYTHON:
        return Check("python", ok=False, detail=found, remedy="Use Python 3.11 or newer.")
    if platform.system() == "Windows":
        return Check("python", ok=False, detail=found, remedy="Use WSL: hosts need Unix sockets.")
    return Check("python", ok=True, detail=found)


def check_packages() -> Check:
    """The four packages lie side by side; another distribution also installs one called `agents`.

    Cheap enough (no import of the three others) for the CLI to make at each start.
    """
    folders = {name: _folder(name) for name in PACKAGES}
    home = Path(__file__).resolve().parent.parent
    strangers = {
        name: folder for name, folder in folders.items() if folder is not None and folder.parent != home
    }
    if strangers:
        told = "; ".join(f"{folder} shadows {home / name}" for name, folder in strangers.items())
        return Check(
            "packages",
            ok=False,
            detail=told,
            remedy="Use an environment of its own (make setup), without the other distribution.",
        )
    missing = [name for name, folder in folders.items() if folder is None]
    if missing:
        return Check(
            "packages",
            ok=False,
            detail=f"no package {', '.join(missing)} beside marl in {home}",
            remedy="Install the whole distribution again: pip install --force-reinstall marl-league.",
        )
    return Check("packages", ok=True, detail=f"{', '.join(PACKAGES)} side by side in {home}")


def _folder(name: str) -> Path | None:
    """Folder that `import name` would load; None if there is none, or only one without __init__.py."""
    loaded = sys.modules.get(name)
    spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parent


def check_extra(extra: str) -> Check:
    """The packages of an extra can be found (they are not loaded)."""
    packages, without = EXTRAS[extra]
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if not missing:
        return Check(f"extra {extra}", ok=True, detail=f"{', '.join(packages)} found", required=False)
    return Check(
        f"extra {extra}",
        ok=False,
        detail=f"without {', '.join(missing)}: {without}",
        remedy=f"pip install 'marl-league[{extra}]'",
        required=False,
    )


def check_shared_memory() -> Check:
    """Hosts of this machine share memory without a name: it must be there, and room for images in it.

    The size of /dev/shm does not matter (docker's 64 MB neither); limits on memory and on files do.
    """
    size = NEEDED_SHM_BYTES
    try:
        _reserve(size)
    except OSError as error:
        return Check(
            "shared memory",
            ok=False,
            detail=f"no room for {size / 2**20:.0f} MiB ({error.strerror})",
            remedy="Give the process or container more memory, and look at `ulimit -f`; or use fewer copies.",
            required=False,
        )
    return Check("shared memory", ok=True, detail=f"{size / 2**20:.0f} MiB reserved", required=False)


def _reserve(size: int) -> None:
    """Take so many bytes for a moment; OSError where that can't be."""
    if size > available_bytes():
        # Asked for more, the system would look for a process to end.
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    with _nameless_file() as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            os.ftruncate(file.fileno(), size)


def _nameless_file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("marl-doctor"), "r+b")
    return tempfile.TemporaryFile()


def check_socket_folder() -> Check:
    """Hosts listen on sockets in the temporary folder, whose path must leave room for their names."""
    folder = Path(tempfile.gettempdir())
    longest = len(str(folder / "marl-host-4194304-01234567" / "s"))
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".marl-doctor-") as inside,
            socket.socket(socket.AF_UNIX) as listener,
        ):
            listener.bind(str(Path(inside, "s")))
    except OSError as error:
        return Check(
            "socket folder",
            ok=False,
            detail=f"no socket in {folder} ({error})",
            remedy="Set TMPDIR to a short path of a folder that can be written.",
        )
    if longest > LONGEST_SOCKET_PATH:
        return Check(
            "socket folder",
            ok=False,
            detail=f"{folder} is too long a path for sockets in it",
            remedy="Set TMPDIR to a shorter path.",
        )
    return Check("socket folder", ok=True, detail=f"sockets can lie in {folder}")


def check_clocks() -> Check:
    """Deadlines of steps and moves are read from the monotonic clock: it must be fine and quick to read."""
    info = time.get_clock_info("monotonic")
    began_s = time.monotonic()
    for _ in range(CLOCK_READS):
        now_s = time.monotonic()
    each_s = (now_s - began_s) / CLOCK_READS
    detail = f"resolution {info.resolution * 1e9:.0f} ns, {each_s * 1e6:.2f} us a reading"
    if not info.monotonic or info.resolution > COARSEST_CLOCK_S or each_s > SLOWEST_READING_S:
        return Check(
            "clocks",
            ok=False,
            detail=detail,
            remedy="Let the system use a faster clock source (Linux: tsc or kvm-clock, not hpet or acpi_pm).",
            required=False,
        )
    return Check("clocks", ok=True, detail=detail, required=False)


def check_loopback() -> Check:
    """A port can be bound on 127.0.0.1: external agents come in there."""
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
    except OSError as error:
        return Check(
            "loopback",
            ok=False,
            detail=f"no port on 127.0.0.1 ({error.strerror})",
            remedy="Allow loopback sockets in the sandbox or container.",
        )
    return Check("loopback", ok=True, detail=f"bound 127.0.0.1, port {port}")


def check_curve() -> Check:
    """ZeroMQ can encrypt: hosts on other machines refuse to bind without it."""
    try:
        zmq = importlib.import_module("zmq")
    except ImportError as error:
        return Check("zeromq", ok=False, detail=str(error), remedy="pip install pyzmq")
    version = f"libzmq {zmq.zmq_version()}"
    try:
        zmq.curve_keypair()
    except zmq.ZMQError:
        return Check(
            "zeromq",
            ok=False,
            detail=f"{version} without CURVE: hosts work on this machine only",
            remedy="Install the pyzmq wheel instead of a build against a system libzmq.",
            required=False,
        )
    return Check("zeromq", ok=True, detail=f"{version} with CURVE")


def check_run_folder(folder: Path) -> Check:
    """Runs can be written; the folder, or the nearest one above it that exists, takes a file."""
    place = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".marl-doctor-"):
            pass
    except OSError as error:
        return Check(
            "run folder",
            ok=False,
            detail=f"{place} takes no file ({error.strerror})",
            remedy="Make it writable, or name another folder for runs.",
        )
    return Check("run folder", ok=True, detail=f"{folder} can be written")
