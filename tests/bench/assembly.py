"""The assembly arena: what scripted arms achieve in it, and what a step costs beside the engine alone.

python tests/bench/assembly.py [--quick] [--json] [--only PART ...] [--matches N]

A bar in percent is that of the arena's data sheet; "at least" is what theirs means there. Speeds are beside
the engine's own steps, timed inside the same run. panda-gym is measured where `make peers` installed it. Rows
are told as they come. The whole takes some four minutes; `--only scripted controls oversize --matches 50`
takes far longer.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse
import functools
import importlib.util
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).resolve().parents[2])
sys.path[0] = ROOT  # this folder would hide packages

import numpy as np

from arenas.assembly import Assembly, preset
from arenas.assembly.physics.world import World
from arenas.assembly.pixels import SIDE
from marl.hosting import make_pool
from marl.loading import ArenaRef
from marl.spec import Ticket
from tests.arenas.assembly.driving import ARENA, matches, random_moves
from tests.bench.table import Row, in_turns, show

SUCCESS: tuple[tuple[str, str, dict[str, Any], float], ...] = (
    ("S0 reach 1 cm", "reach", {"tolerance": 0.01}, 95),
    ("S0 reach classic", "classic", {}, 95),
    ("S1 lift", "lift", {}, 95),
    ("S2 stack", "stack", {}, 95),
    ("S2 stack within 3 cm", "s2_3cm", {}, 95),
    ("S3 handover", "handover", {}, 95),
    ("S4 carry", "carry", {}, 95),
    ("S5 insert 8 mm", "s5_8mm", {}, 95),
    ("S5 insert 4 mm", "insert", {}, 95),
    ("S5 insert 2 mm", "insert", {"clearance": 0.002}, 95),
    ("S5 insert 1 mm", "insert", {"clearance": 0.001}, 95),
    ("S5 insert into a held socket", "insert_held", {}, 95),
    ("S6 bridge, 2 arms", "bridge", {}, 95),
    ("S6 bridge 2 mm", "bridge", {"clearance": 0.002}, 95),
    ("S6 bridge 1 mm", "s6_1mm", {}, 95),
    ("S1 lift, 4 arms", "lift", {"arms": 4}, 95),
    ("S4 carry, 4 arms", "carry", {"arms": 4}, 95),
    ("S2 stack, 4 arms", "stack", {"arms": 4}, 80),
    ("S6 bridge and cap, 3 arms", "bridge_cap", {}, 80),
    ("S6 table, 4 arms", "table", {}, 80),
    ("S1 lift by suction", "lift", {"arm": "kuka"}, 95),
    ("S2 stack by suction", "stack", {"arm": "kuka"}, 95),
)
CONTROLS = (
    ("random", 98.0, ("reach", "lift", "stack", "handover", "carry", "insert", "bridge")),
    ("hold_still", 100.0, ("reach", "lift", "stack", "carry", "insert", "bridge")),
    ("never_closes", 100.0, ("lift", "stack", "insert", "bridge")),
)
OVERSIZE = {"clearance": -0.001}
COPIES, HOSTED = 4, 32
PARTS = ("speeds", "resets", "memory", "pixels", "hosts", "peer", "scripted", "controls", "oversize")


def share(player: str, name: str, changed: dict[str, Any], count: int) -> float:
    """Percent of matches that succeed."""
    made = list(matches(player, preset(name, **changed), range(1000, 1000 + count)))
    return 100 * sum(outcome.success for outcome in made) / count


def scripted(count: int) -> Iterator[Row]:
    """Scripted arms in all stages."""
    for work, name, changed, bar in SUCCESS:
        player = "classic" if name == "classic" else "scripted"
        found = share(player, name, changed, count)
        yield Row(f"scripted, {work}", f"at least ({count} matches)", bar, found, "% success", 1.0)


def controls(count: int) -> Iterator[Row]:
    """Players that must fail."""
    for player, bar, names in CONTROLS:
        for name in names:
            found = 100 - share(player, name, {}, count)
            yield Row(f"{player}, {name}", f"at least ({count} matches)", bar, found, "% failure", 1.0)


def oversize(count: int) -> Iterator[Row]:
    """A peg too large for its hole."""
    found = 100 - share("scripted", "insert", OVERSIZE, count)
    yield Row("peg 1 mm larger than its hole", f"at least ({count} matches)", 100, found, "% failure", 1.0)


def of_floor(name: str, changed: dict[str, Any], steps: int) -> tuple[float, float]:
    """Actions a second of CPU time: of the engine alone, and of the arena as a pool steps it.

    The same steps of the engine, timed inside; four copies, random actions.
    """
    ref = ArenaRef(ARENA, preset(name, max_steps=10 * steps, **changed))
    pool = make_pool(ref, copies=COPIES, groups=1, hosts=0)
    step = stepper(pool)
    step()
    spent = [0.0]

    def timed(world: World) -> None:
        start = time.process_time()
        engine_step, client = world._p.stepSimulation, world._c  # the floor is the engine itself
        for _ in range(world.scene.substeps):
            engine_step(client)
        spent[0] += time.process_time() - start

    untimed, World.simulate = World.simulate, timed  # type: ignore[method-assign, assignment]  # the same, with a clock
    try:
        start = time.process_time()
        for _ in range(steps):
            step()
        whole = time.process_time() - start
    finally:
        World.simulate = untimed  # type: ignore[method-assign]
        pool.close()
    return COPIES * steps / spent[0], COPIES * steps / whole


def stepper(pool: Any) -> Callable[[], int]:  # noqa: ANN401  # a pool of whatever kind
    """A function that steps a pool once with random actions; it returns the number of copies.

    As a league does it: the next match is ordered where one has begun, and groups take turns, so that one is
    served while the others are on their way.
    """
    numbers, drawn = itertools.count(), np.random.default_rng(0)
    action = [
        itertools.cycle(drawn.uniform(-1, 1, (64, *orders.action["arm"].shape)).astype(np.float32))
        for orders in pool.orders
    ]
    turns = itertools.cycle(range(pool.groups))

    def follow(group: int, copies: Iterable[int]) -> None:
        for copy in copies:
            number = next(numbers)
            pool.orders[group].follow(copy, Ticket(number, number, 0))

    def send(group: int) -> None:
        pool.orders[group].action["arm"][:] = next(action[group])
        pool.send(group)

    def step() -> int:
        group = next(turns)
        frame = pool.receive(group)
        if frame.over_B.any():
            follow(group, np.flatnonzero(frame.over_B).tolist())
        send(group)
        return len(frame.ticket_B)

    for group, frame in enumerate(pool.frames):
        everybody = range(len(frame.ticket_B))
        follow(group, everybody)
        pool.send(group)
        pool.receive(group)
        follow(group, everybody)
        send(group)
    return step


def speeds(steps: int) -> Iterator[Row]:
    """Share of the engine's own speed, in actions a second."""
    for work, name, changed, bar in (
        ("1 Panda, lift, 12 substeps", "lift", {"arms": 1}, 0.9),
        ("2 Pandas, lift, 12 substeps", "lift", {}, 0.9),
        ("4 Pandas, lift, 12 substeps", "lift", {"arms": 4}, 0.9),
        ("2 Pandas, bridge, 12 substeps", "bridge", {}, 0.9),
        ("1 Panda, lift, 4 substeps", "lift", {"arms": 1, "substeps": 4}, 0.8),
        ("2 Pandas, lift, 4 substeps", "lift", {"substeps": 4}, 0.8),
        ("4 Pandas, lift, 4 substeps", "lift", {"arms": 4, "substeps": 4}, 0.8),
        ("2 Pandas, bridge, 4 substeps", "bridge", {"substeps": 4}, 0.8),
    ):
        found = [of_floor(name, changed, steps) for _ in range(3)]
        floor, ours = sorted(found, key=lambda pair: pair[1] / pair[0])[1]
        yield Row(work, "stepSimulation alone", floor, ours, "actions/s (CPU)", bar)


def resets(count: int) -> Iterator[Row]:
    """Resets in a second; 2,000 are 0.5 ms each."""
    arena = Assembly(**preset("lift"))
    arena.reset(seed=0)

    def by(reset: Callable[[int], object]) -> float:
        start = time.perf_counter()
        for i in range(count):
            reset(i)
        return count / (time.perf_counter() - start)

    world = arena.cell.world
    state = (world.q_NJ.copy(), world.width_N.copy(), world.part_K13[:, :7].copy())
    found = in_turns(5, lambda: by(lambda i: world.reset(*state)), lambda: by(lambda i: arena.reset(seed=i)))
    arena.close()
    yield Row("reset of the physics, 2 Pandas", "0.5 ms each", 2000.0, found[0], "resets/s", 1.0)
    yield Row("reset of the arena, seeded, 2 Pandas", "0.5 ms each", 2000.0, found[1], "resets/s", 1.0)


MEASURE = """
import sys; sys.path.insert(0, {root!r})
from arenas.assembly import Assembly, preset
from arenas.assembly.physics.world import World
def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
def made():
    arena = Assembly(**preset({name!r})); arena.reset(seed=0); return arena
kept = [made()]
before = resident()
kept += [made() for _ in range(8)]
print((resident() - before) / 8)
"""


def memory() -> Iterator[Row]:
    """Resident memory of a further arena without pictures, as arenas in a GiB."""
    for name in ("lift", "table"):
        said = subprocess.run(
            [sys.executable, "-c", MEASURE.format(root=ROOT, name=name)],
            capture_output=True,
            text=True,
            check=True,
        )
        each = float(said.stdout.split()[-1])
        work = f"a further client, {name} ({each:.0f} MiB)"
        yield Row(work, "45 MiB each", 1024 / 45, 1024 / each, "clients in a GiB", 1.0)


def pixels(count: int) -> Iterator[Row]:
    """An arm's image beside one of the meshes that films show; actions with images beside actions without."""
    for arm, bar in (("panda", 8.0), ("kuka", None)):
        looks: tuple[dict[str, Any], ...] = ({"render_mode": "rgb_array"}, {"observation": "pixels"})
        drawn = in_turns(5, *(functools.partial(images, {"arm": arm, **look}, count) for look in looks))
        yield Row(
            f"an image 84 x 84, 2 arms, {arm}", "stock meshes", drawn[0], drawn[1], "images/s (CPU)", bar
        )
    for arms in (1, 2, 4):
        sees = ({"arms": arms}, {"arms": arms, "observation": "pixels"})
        done = in_turns(5, *(functools.partial(stepped, options, count) for options in sees))
        yield Row(
            f"actions with an image an arm, {arms} arms",
            "without images",
            done[0],
            done[1],
            "actions/s (CPU)",
        )


def images(options: dict[str, Any], count: int) -> float:
    """Images of an arm's camera in a second of CPU time."""
    arena = Assembly(**preset("lift", **options))
    arena.reset(seed=0)
    start = time.process_time()
    for i in range(count):
        arena.cell.world.seen_by(i % 2, SIDE)
    spent = time.process_time() - start
    arena.close()
    return count / spent


def stepped(options: dict[str, Any], count: int) -> float:
    """Random actions in a second of CPU time."""
    arena = Assembly(**preset("lift", **options))
    arena.reset(seed=0)
    moves = random_moves(arena, count, 0)
    start = time.process_time()
    for move in moves:
        arena.step(move)
    spent = time.process_time() - start
    arena.close()
    return count / spent


def hosted(hosts: int, seconds: float) -> float:
    """Actions a second of a pool of host processes: two groups, so that none waits for the slower one."""
    pool = make_pool(ArenaRef(ARENA, preset("lift")), copies=HOSTED, groups=2, hosts=hosts)
    try:
        step = stepper(pool)
        for _ in range(5):
            step()
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            steps += step()
        return steps / (time.perf_counter() - start)
    finally:
        pool.close()


def scaling(seconds: float) -> Iterator[Row]:
    """Two environment processes beside one."""
    one, two = in_turns(3, lambda: hosted(1, seconds), lambda: hosted(2, seconds))
    yield Row("2 environment processes", "1 environment process", one, two, "actions/s", 1.8)


def beside_panda_gym(steps: int) -> Iterator[Row]:
    """One Panda that picks up a block: panda-gym's own pace, and ours with as many of the engine's steps."""
    if importlib.util.find_spec("panda_gym") is None:
        yield Row("1 Panda, pick and place", "panda-gym is not installed", None, None, "engine steps/s (CPU)")
        return
    import gymnasium
    import panda_gym  # noqa: F401  # registers its environments

    def theirs(name: str) -> float:
        env = gymnasium.make(name)
        env.reset(seed=0)
        action = [env.action_space.sample() for _ in range(steps)]
        start = time.process_time()
        for chosen in action:
            if any(env.step(chosen)[2:4]):
                env.reset()
        spent = time.process_time() - start
        env.close()
        return 20 * steps / spent  # its 20 steps of the engine for an action

    def ours(name: str) -> float:
        arena = Assembly(**preset(name, arms=1, substeps=24))
        arena.reset(seed=0)
        moves = random_moves(arena, steps, 0)
        start = time.process_time()
        for move in moves:
            arena.step(move)
            if not arena.agents:
                arena.reset()
        spent = time.process_time() - start
        arena.close()
        return 24 * steps / spent

    for work, name, peer in (
        ("1 Panda, reach, resets included", "reach", "PandaReach-v3"),
        ("1 Panda, block, resets included", "lift", "PandaPickAndPlace-v3"),
    ):
        found = in_turns(3, functools.partial(theirs, peer), functools.partial(ours, name))
        yield Row(work, f"panda-gym {peer}", found[0], found[1], "engine steps/s (CPU)")


def main() -> None:
    """Measure, tell each row, and print them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    parser.add_argument("--json", action="store_true", help="rows as JSON")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts")
    parser.add_argument("--matches", type=int, help="matches of a row of scripted arms or controls")
    asked = parser.parse_args()
    quick = asked.quick
    matches_each = asked.matches or (2 if quick else 5)
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "speeds": lambda: speeds(60 if quick else 200),
        "resets": lambda: resets(100 if quick else 500),
        "memory": memory,
        "pixels": lambda: pixels(5 if quick else 20),
        "hosts": lambda: scaling(2.0 if quick else 6.0),
        "peer": lambda: beside_panda_gym(100 if quick else 500),
        "scripted": lambda: scripted(matches_each),
        "controls": lambda: controls(matches_each),
        "oversize": lambda: oversize(4 * matches_each),
    }
    rows = []
    for part in asked.only:
        for row in parts[part]():
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
