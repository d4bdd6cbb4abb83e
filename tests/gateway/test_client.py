"""The one file for outsiders: alone, without this package, and with every kind of agent."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gymnasium import spaces

import marl.client
from marl.gateway import Gateway, TimeControl
from marl.policy import ABSENT, POLICY
from marl.spaces import flatten, leaves, to_json
from tests.gateway.driving import SPEC, TOKEN, WAIT_S, actions, agent_process, ask, rows, sources, write_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marl.gateway import RemotePolicy


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway whose clock never decides."""
    with Gateway(SPEC, {"bob": TOKEN}, time_control=TimeControl(move_s=WAIT_S, first_s=WAIT_S)) as running:
        yield running


def ready(gateway: Gateway) -> RemotePolicy:
    """The policy of an agent that is there."""
    gateway.wait_for("bob", WAIT_S)
    return gateway.policy("bob")


def test_a_copy_alone_plays_without_this_package(gateway: Gateway, tmp_path: Path) -> None:
    """client.py in an empty folder, with `python -I`: standard library only, no marl, no numpy."""
    copy = shutil.copy(marl.client.__file__, tmp_path / "client.py")
    agent = write_agent(
        tmp_path,
        "import sys\n"
        "def act(observation, mask):\n"
        "    assert not {'marl', 'numpy', 'msgpack', 'msgspec', 'zmq'} & set(sys.modules)\n"
        "    return 3\n",
    )
    address = gateway.address.removeprefix("tcp://")
    command = [sys.executable, "-I", str(copy), address, "--token", TOKEN, f"{agent}:act"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        policy = ready(gateway)
        for n in range(3):
            ask(policy, rows([1, 2], n))
            decision = policy.collect()
            assert (sources(decision), actions(decision)) == ([POLICY, POLICY], [3, 3])
        gateway.close()
        _, said = process.communicate(timeout=WAIT_S)
    assert (process.returncode, said.strip()) == (0, "the gateway said goodbye after 6 turns")


def test_importing_it_brings_the_standard_library_only(root: Path) -> None:
    """`import marl.client` loads nothing from outside the standard library."""
    code = (
        "import sys, marl.client; "
        "found = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(found - set(sys.stdlib_module_names) - {'marl', '__main__'}))"
    )
    command = [sys.executable, "-S", "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True, timeout=WAIT_S)
    assert printed.stdout.strip() == "[]"


COUNTING = """
class Agent:
    def reset(self, seat, seed):
        self.count = 0 if seat == "trader_0" else 2
    def act(self, observation, mask):
        self.count += 1
        return self.count - 1
"""


def test_a_class_is_one_agent_a_seat_and_match(gateway: Gateway, tmp_path: Path) -> None:
    """Objects of a class remember their own match only, and start afresh in the next."""
    agent = write_agent(tmp_path, COUNTING)
    with agent_process(gateway.address, f"{agent}:Agent"):
        policy = ready(gateway)
        for _ in range(2):
            for n in range(2):
                ask(policy, rows([1, 2], n))
                assert actions(policy.collect()) == [n, n]
            ask(policy, rows([2], seat=1))
            assert actions(policy.collect()) == [2]
            policy.ended(np.array([1, 2]))


def test_numpy_on_request(gateway: Gateway, tmp_path: Path) -> None:
    """With --numpy arrays are numpy arrays that the agent may write to, and may answer with."""
    agent = write_agent(
        tmp_path,
        "import numpy\n"
        "def act(observation):\n"
        "    observation[0] += 0.5\n"
        "    assert observation.dtype == numpy.float32\n"
        "    return numpy.int64(observation[0])\n",
    )
    with agent_process(gateway.address, f"{agent}:act", "--numpy"):
        policy = ready(gateway)
        ask(policy, rows([1]))
        assert actions(policy.collect()) == [1]


@pytest.mark.parametrize(
    ("body", "says"), [("    raise ValueError('my own bug')", "my own bug"), ("    return None", "no number")]
)
def test_an_agent_that_fails_loses_its_seats_at_once(
    gateway: Gateway, tmp_path: Path, body: str, says: str
) -> None:
    """An exception reaches the author, and the league does not wait for the clock."""
    agent = write_agent(tmp_path, f"def act(observation, mask):\n{body}\n")
    with agent_process(gateway.address, f"{agent}:act") as process:
        policy = ready(gateway)
        ask(policy, rows([1, 2]))
        assert sources(policy.collect()) == [ABSENT, ABSENT]
        assert policy.forfeits_of(1)[0].reason == "error"
        assert process.wait(WAIT_S) == 1
        assert process.stderr is not None
        assert says in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("127.0.0.1", "marl.client:run", "--token", "x"), "no address"),
        (("127.0.0.1:1", "marl.client:run", "--token", "x"), "no gateway at 127.0.0.1:1"),
        (("127.0.0.1:1", "nothing.py:act", "--token", "x"), "no file nothing.py"),
        (("127.0.0.1:1", "marl.client:nothing", "--token", "x"), "no 'nothing'"),
        (("127.0.0.1:1", "nothing", "--token", "x"), "names no agent"),
        (("127.0.0.1:1", "marl.client:run", "--token", "@nothing"), "No such file"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong addresses, files and names are one line each, and exit code 1."""
    assert marl.client.main(arguments) == 1
    assert says in capsys.readouterr().err


def test_a_wrong_token_is_one_sentence(gateway: Gateway) -> None:
    """The gateway's refusal reaches the author."""
    with pytest.raises(marl.client.ClientError, match="refused: auth"):
        marl.client.connect(gateway.address, token="wrong")


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (), np.float32),
        spaces.Box(-1, 1, (2, 3, 4), np.float64),
        spaces.Box(0, 255, (2, 2), np.uint8),
        spaces.Box(-1, 1, (3,), np.float16),
        spaces.Discrete(5, start=2),
        spaces.MultiBinary((2, 2)),
        spaces.Dict(
            {
                "b": spaces.Discrete(2),
                "a": spaces.Tuple([spaces.MultiDiscrete([3, 4]), spaces.Box(0, 1, (2,))]),
            }
        ),
    ],
    ids=str,
)
def test_observations_are_restored(space: spaces.Space[Any]) -> None:
    """Raw leaves become the space's value: nested lists, or numpy arrays that equal the original."""
    space.seed(2)
    described, value = to_json(space), space.sample()
    parts = [
        (np.asarray(leaf, kind.numpy_dtype).tobytes(), kind.dtype, kind.shape)
        for leaf, kind in zip(flatten(described, value), leaves(described), strict=True)
    ]
    lists = marl.client.restore(described, [marl.client.array_lists(*part) for part in parts])
    arrays = marl.client.restore(described, [marl.client.array_numpy(*part) for part in parts])
    for restored in (lists, arrays):
        for got, expected in zip(flatten(described, restored), flatten(described, value), strict=True):
            np.testing.assert_array_equal(np.asarray(got), np.asarray(expected))
    assert space.contains(arrays)


def test_empty_axes_keep_their_shape() -> None:
    """An array without numbers is still nested as its shape says."""
    assert marl.client.array_lists(b"", "f4", [0, 3]) == []
    assert marl.client.array_lists(b"", "f4", [2, 3, 0]) == [[[], [], []], [[], [], []]]
