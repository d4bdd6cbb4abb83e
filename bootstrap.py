"""Make `.venv` once, then run one of the project's tasks in it; the Makefile only calls this file.

`python3 bootstrap.py demo` does the same as `make demo`, on a machine without make.

Needs the standard library only and keeps to the syntax of Python 3.7, so that an older interpreter than the
project needs is refused in one sentence, not by a SyntaxError. `.venv` is brought up to date when the hash of
pyproject.toml, constraints.txt, this folder's path and the Python version differs from the stamp inside it;
otherwise nothing is installed and no network is touched.

`peers` also makes `.venv-peers/NAME` for each tests/bench/peers/NAME.txt: libraries whose pins disagree with
ours. One that does not install is said so and left out; benchmarks then print a row without its figure.

MARL_PYTHON names the interpreter to make `.venv` with. Without it python3.11 is taken where there is one
(pybullet has no wheels for later ones), then any newer Python.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
LOG = VENV / "install.log"
OLDEST_PYTHON = (3, 11)
OLDEST_MAKE = (3, 81)
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14", "python3", "python")
NEEDED_BYTES = 3 * 10**9
PEERS = ROOT / ".venv-peers"
PEER_LISTS = ROOT / "tests" / "bench" / "peers"
CACHES = (".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis")
LEFTOVERS = (".venv", ".venv-peers", *CACHES)

EXTRAS = "torch,onnx,physics,supersuit,tensorboard,video,data,web,postgres,test"
TASKS: dict[str, list[list[str]]] = {
    "setup": [],
    "demo": [["marl", "league", "run", "demo"]],
    "test": [["pytest", "-m", "not slow", "--session-timeout=2400"]],
    "test-slow": [["pytest", "-m", "slow", "--session-timeout=7200"]],
    "check": [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["lint-imports"]],
    "peers": [],
    "bench": [["python", "tests/bench/quick.py"]],
}
WITH_PEERS = ("peers", "bench")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

INSTALL_NOTICE = """\
Making .venv: pip downloads about 0.5 GB (several GB more where it finds no CPU build of torch);
the result takes about 2 GB of disk, and 1 to 3 minutes. Later runs need no network."""
DEMO_NOTICE = "After that the demo league runs: under 4 minutes on 2 cores."
NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ConnectionError|ProxyError"
    r"|Network is unreachable|Temporary failure in name resolution|Max retries exceeded"
)


class UnfitError(Exception):
    """What keeps this machine from running the project, in one sentence with its remedy."""


def main(arguments: list[str]) -> int:
    """Run the named task and return its exit status; 2 if the machine or the command line is not fit."""
    known = [*TASKS, "clean"]
    if len(arguments) != 1 or arguments[0] not in known:
        print(f"usage: python3 bootstrap.py {'|'.join(known)}", file=sys.stderr)
        return 2
    task = arguments[0]
    try:
        _check_make(os.environ.get("MARL_MAKE", ""))
        with _alone():
            if task == "clean":
                return _clean()
            _ensure_venv(task)
            if task == "peers":
                _make_peers()
        return _run(TASKS[task])
    except UnfitError as unfit:
        print(f"bootstrap: {unfit}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _check_make(version: str) -> None:
    """Refuse a make older than macOS's 3.81; the Makefile passes its version on."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers.group(1)), int(numbers.group(2))) < OLDEST_MAKE:
        raise UnfitError(
            f"make {version} is too old (3.81 is needed): update it, or call bootstrap.py without it."
        )


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock on `.venv`, so that `make demo` and `make test` started together install once."""
    try:
        import fcntl
    except ImportError:
        raise UnfitError(
            "this is Windows, where the project runs in WSL only: call make in a WSL shell."
        ) from None
    try:
        lock = (ROOT / ".venv.lock").open("w")
    except OSError as error:
        raise UnfitError(f"{ROOT} is not writable ({error.strerror}): clone elsewhere.") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clean() -> int:
    """Remove the environment and the tools' caches; runs stay."""
    for name in LEFTOVERS:
        shutil.rmtree(str(ROOT / name), ignore_errors=True)
    return 0


def _ensure_venv(task: str) -> None:
    """Leave a `.venv` that holds what the task needs; installs only where the stamp differs."""
    with_peers = task in WITH_PEERS or (VENV / ".stamp-peers").is_file()
    stamp = VENV / (".stamp-peers" if with_peers else ".stamp")
    wanted = os.environ.get("MARL_PYTHON", "")
    chosen = _probe(wanted) if wanted else None
    if wanted and chosen is None:
        raise UnfitError(f"MARL_PYTHON={wanted} does not run: name a Python 3.11 or newer, or unset it.")
    present = _venv_version()
    if present is not None and (chosen is None or chosen[0] == present):
        if stamp.is_file() and stamp.read_text() == _fingerprint(present):
            return
    else:
        _create_venv(task, chosen)
    _install(EXTRAS + (",bench,oracles" if with_peers else ""), task)
    version = _venv_version()
    if version is None:
        raise UnfitError(".venv does not run though pip succeeded: `make clean`, then try again.")
    stamp.write_text(_fingerprint(version))


def _venv_version() -> tuple[int, ...] | None:
    """Version of the Python in `.venv`; None if there is none that can be used."""
    config = VENV / "pyvenv.cfg"
    if not config.is_file() or not (BIN / "python").exists() or not (BIN / "pip").exists():
        return None
    found = re.search(r"^version(?:_info)? *= *(\d+)\.(\d+)\.(\d+)", config.read_text(), re.MULTILINE)
    version = tuple(int(number) for number in found.groups()) if found else (0,)
    return version if version >= OLDEST_PYTHON else None


def _fingerprint(version: tuple[int, ...]) -> str:
    """Hash of all that `.venv` depends on; the path is in it because a venv cannot be moved."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    parts += [str(ROOT).encode(), repr(version).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _probe(command: str) -> tuple[tuple[int, ...], str, bool] | None:
    """Version of an interpreter, its path, and whether it can make environments; None if it does not run."""
    script = (
        "import sys, importlib.util as u; "
        "print(*sys.version_info[:3], all(map(u.find_spec, ('venv', 'ensurepip'))), sys.executable)"
    )
    try:
        answer = subprocess.run(
            [command, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    words = answer.stdout.decode().strip().split(" ", 4)
    return tuple(int(word) for word in words[:3]), words[4], words[3] == "True"


def _create_venv(task: str, chosen: tuple[tuple[int, ...], str, bool] | None) -> None:
    """Make an empty `.venv` with the chosen interpreter, or with the first one on the path that is fit."""
    found = [chosen] if chosen else [python for python in map(_probe, PYTHONS) if python]
    recent = [python for python in found if python[0] >= OLDEST_PYTHON]
    if not recent:
        versions = ", ".join(sorted({".".join(map(str, python[0])) for python in found})) or "none"
        raise UnfitError(
            f"Python 3.11 or newer is needed and this machine offers {versions}: install python3.11, "
            "or name one with MARL_PYTHON=/path/to/python3.11."
        )
    fit = [python for python in recent if python[2]]
    if not fit:
        name = "python{}.{}".format(*recent[0][0])
        raise UnfitError(f"{name} cannot make environments: on Debian and Ubuntu `apt install {name}-venv`.")
    free = shutil.disk_usage(str(ROOT)).free
    if free < NEEDED_BYTES:
        raise UnfitError(
            f"{free / 1e9:.1f} GB are free and .venv needs {NEEDED_BYTES / 1e9:.0f}: make room first."
        )
    print(INSTALL_NOTICE)
    if task == "demo":
        print(DEMO_NOTICE)
    version, path, _ = fit[0]
    print("Python {} from {}".format(".".join(map(str, version)), path), flush=True)
    if version >= (3, 12):
        print("The assembly arena stays out: it needs pybullet, whose wheels end at Python 3.11.", flush=True)
    made = subprocess.run([path, "-m", "venv", "--clear", str(VENV)], check=False)
    if made.returncode != 0:
        raise UnfitError(
            f"{path} -m venv failed (its message stands above): name another Python with MARL_PYTHON."
        )


def _install(extras: str, task: str) -> None:
    """Install the checkout, editable, with its extras; the network only for what is not there yet."""
    fresh = not list(VENV.glob(".stamp*"))
    started = time.monotonic()
    target = ["-c", "constraints.txt", "-e", f".[{extras}]"]
    for stamp in VENV.glob(".stamp*"):
        stamp.write_text("an update was begun")
    # An edit of pyproject.toml often needs nothing new: then this succeeds, and works without network.
    if not fresh and _pip(["--no-index", "--no-build-isolation", *target]):
        return
    if not fresh:
        print(f"{task}: bringing .venv up to date", flush=True)
    if not _pip(["--retries", "2", *target]):
        lines = LOG.read_text(errors="replace").splitlines()
        if any(NO_NETWORK.search(line) for line in lines):
            state = "is not complete" if fresh else "is older than pyproject.toml"
            raise UnfitError(f"the network cannot be reached and .venv {state}: connect once and try again.")
        print("\n".join(lines[-15:]), file=sys.stderr)
        raise UnfitError(f"pip failed as shown above: mend that and try again (whole output: {LOG}).")
    size = sum(path.lstat().st_size for path in VENV.rglob("*"))
    print(f"Installed in {time.monotonic() - started:.0f} s; .venv holds {size / 1e9:.2f} GB.", flush=True)


def _make_peers() -> None:
    """Make an environment for each list of packages; a peer that fails leaves its log and no stamp."""
    for requirements in sorted(PEER_LISTS.glob("*.txt")):
        place = PEERS / requirements.stem
        stamp = place / ".stamp"
        wanted = hashlib.sha256(requirements.read_bytes() + str(place).encode()).hexdigest()
        if stamp.is_file() and stamp.read_text() == wanted:
            continue
        print(f"{requirements.stem}: making .venv-peers/{requirements.stem}", flush=True)
        subprocess.run([str(BIN / "python"), "-m", "venv", "--clear", str(place)], check=True)
        log = place / "install.log"
        if _pip(["--retries", "2", "-r", str(requirements)], place / "bin", log):
            stamp.write_text(wanted)
        else:
            last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-1:]
            print(f"{requirements.stem}: does not install ({''.join(last)}); whole output: {log}", flush=True)


def _pip(arguments: list[str], where: Path = BIN, log_file: Path = LOG) -> bool:
    """Run pip install, its output in a log and in one line of progress; True if it succeeded."""
    command = [
        str(where / "python"),
        "-m",
        "pip",
        "install",
        "--no-input",
        "--progress-bar",
        "off",
        *arguments,
    ]
    with log_file.open("w") as log:
        pip = subprocess.Popen(
            command,
            cwd=str(ROOT),
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert pip.stdout is not None
        for line in pip.stdout:
            log.write(line)
            _show(line.strip())
    status = pip.wait()
    if sys.stdout.isatty():
        print("\r\x1b[K", end="", flush=True)
    return status == 0


def _show(line: str) -> None:
    """One line of pip's: rewritten in place on a terminal, only the long steps elsewhere."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K  {line[:100]}", end="", flush=True)
    elif line.startswith(("Downloading torch", "Installing collected")):
        print(f"  {line[:100]} ...", flush=True)


def _environment() -> dict[str, str]:
    """The caller's environment, with `.venv` first and one thread a process (we scale by processes)."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    environment["PATH"] = f"{BIN}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["VIRTUAL_ENV"] = str(VENV)
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    for name in THREADS:
        environment.setdefault(name, "1")
    return environment


def _run(commands: list[list[str]]) -> int:
    """Run every command in `.venv`, also after a failure; returns the first failure's status."""
    status = 0
    for command in commands:
        print("$ " + " ".join(command), flush=True)
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], cwd=str(ROOT), env=_environment(), check=False
        )
        status = status or done.returncode
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
