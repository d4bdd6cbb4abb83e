"""The platform at a glance: stepping, hosting, training, tournaments, each beside a peer in the same run.

python tests/bench/quick.py [--quick] [--json]
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from agents.scripted.trading import SCRIPTED
from arenas import full_spec, make
from marl.hosting import make_pool
from marl.loading import ArenaRef
from marl.play import Match, Play, Player, in_order
from marl.policy import RandomLegal
from marl.spec import Ticket
from tests.bench.spread_ppo import Ours, compare, stable_baselines
from tests.bench.table import Row, in_turns, options, show

if TYPE_CHECKING:
    from pettingzoo import ParallelEnv

    from marl.batch import ArenaPool
    from marl.spec import Role

SPREAD = ArenaRef("mpe2.simple_spread_v3")
MARKET = ArenaRef(full_spec("trading"), {"seats": 8})
DUEL = ArenaRef(full_spec("trading"), {"seats": 2, "horizon": 100})


def stepping(ref: ArenaRef, *, copies: int, groups: int, hosts: int, seconds: float) -> float:
    """Environment steps per second with actions drawn here, uniformly among the legal ones."""
    with make_pool(ref, hosts=hosts, copies=copies, groups=groups) as pool:
        rng = np.random.default_rng(0)
        episode = 0
        for group in range(groups):
            episode = _tickets(pool, group, episode)
            pool.send(group)
        for group in range(groups):
            pool.receive(group)
            _act(pool, group, rng)
            pool.send(group)
        steps = 0
        began_s = time.perf_counter()
        while time.perf_counter() - began_s < seconds:
            for group in range(groups):
                frame = pool.receive(group)
                steps += len(frame.ticket_B)
                if frame.over_B.any():
                    episode = _tickets(pool, group, episode)
                _act(pool, group, rng)
                pool.send(group)
        took_s = time.perf_counter() - began_s
        for group in range(groups):
            pool.receive(group)
        return steps / took_s


def _tickets(pool: ArenaPool, group: int, episode: int) -> int:
    for copy in range(len(pool.frames[group].ticket_B)):
        episode += 1
        pool.orders[group].follow(copy, Ticket(episode, episode))
    return episode


def _act(pool: ArenaPool, group: int, rng: np.random.Generator) -> None:
    for role in pool.spec.roles:
        pool.orders[group].action[role.name][...] = _draw(
            role, pool.frames[group].roles[role.name].mask_BNA, rng
        )


def _draw(role: Role, mask_BNA: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    shape = (len(mask_BNA), len(role.seats))
    if role.mask_size:
        return np.asarray((rng.random(mask_BNA.shape, dtype=np.float32) * mask_BNA).argmax(-1)[..., None])
    return np.asarray(rng.integers(role.action[0].choices[0], size=(*shape, 1)))


def plain_loop(name: str, copies: int, seconds: float, **more: Any) -> float:
    """Environment steps per second of PettingZoo environments stepped one after the other."""
    envs = [make(name, **more) for _ in range(copies)]
    seen = [env.reset(seed=i)[0] for i, env in enumerate(envs)]
    rng = np.random.default_rng(0)
    steps = 0
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < seconds:
        for i, env in enumerate(envs):
            actions = {seat: _choose(env, seat, seen[i], rng) for seat in env.agents}
            seen[i] = env.step(actions)[0]
            if not env.agents:
                seen[i] = env.reset()[0]
            steps += 1
    return steps / (time.perf_counter() - began_s)


def _choose(
    env: ParallelEnv[str, Any, Any], seat: str, seen: dict[str, Any], rng: np.random.Generator
) -> int:
    value = seen[seat]
    if isinstance(value, dict):
        return int((rng.random(len(value["action_mask"])) * value["action_mask"]).argmax())
    space: Any = env.action_space(seat)
    return int(rng.integers(space.n))


def supersuit_loop(copies: int, processes: int, seconds: float) -> float:
    """Environment steps per second of SuperSuit's vectorised simple_spread."""
    import supersuit
    from mpe2 import simple_spread_v3

    single = supersuit.pettingzoo_env_to_vec_env_v1(simple_spread_v3.parallel_env())
    envs = supersuit.concat_vec_envs_v1(single, copies, num_cpus=processes, base_class="gymnasium")
    envs.reset()
    rng = np.random.default_rng(0)
    steps = 0
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < seconds:
        envs.step(rng.integers(5, size=3 * copies))
        steps += copies
    took_s = time.perf_counter() - began_s
    envs.close()
    return steps / took_s


def our_matches(matches: int) -> float:
    """Matches per second of a market duel of 100 steps, two scripted players, 64 copies in this process."""
    with make_pool(DUEL, hosts=0, copies=64, groups=2) as pool:
        players = {"maker": Player(SCRIPTED["maker"](pool.spec)), "random": Player(RandomLegal())}
        plan = [
            Match(Ticket(i, i), dict(zip(pool.spec.seats, ("maker", "random"), strict=True)))
            for i in range(matches)
        ]
        began_s = time.perf_counter()
        Play(pool, in_order(plan, 64), players).run()
        return matches / (time.perf_counter() - began_s)


def plain_matches(matches: int) -> float:
    """The same duel in a plain PettingZoo loop: the same two players, one row at a time."""
    env = make("trading", seats=2, horizon=100)
    role = env.spec.roles[0]
    maker, random = SCRIPTED["maker"](env.spec), RandomLegal()
    from marl.policy import Rows

    began_s = time.perf_counter()
    for match in range(matches):
        seen, _ = env.reset(seed=match)
        step = 0
        while env.agents:
            actions = {}
            for i, seat in enumerate(env.agents):
                rows = Rows(
                    np.array([match]),
                    np.array([match], np.uint64),
                    np.array([i], np.int32),
                    np.array([step], np.int32),
                )
                value = seen[seat]
                mask = value["action_mask"][None].astype(np.uint8)
                policy = maker if i == 0 else random
                decision = policy.act(
                    role, [value["observation"][None]], mask, np.zeros((1, 0), np.float32), rows, greedy=False
                )
                actions[seat] = int(decision.action_RK[0, 0])
            seen = env.step(actions)[0]
            step += 1
    return matches / (time.perf_counter() - began_s)


def main() -> None:
    """Measure and print."""
    asked = options(__doc__ or "")
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    seconds, runs, updates = (0.5, 3, 2) if asked.quick else (2.0, 5, 6)
    rows = []
    plain, one, many = in_turns(
        runs,
        lambda: plain_loop("trading", 1, seconds, seats=8),
        lambda: stepping(MARKET, copies=1, groups=1, hosts=0, seconds=seconds),
        lambda: stepping(MARKET, copies=64, groups=1, hosts=0, seconds=seconds),
    )
    rows.append(
        Row("market, 8 seats, 1 copy, in process", "its own PettingZoo face", plain, one, "env-steps/s")
    )
    rows.append(
        Row("market, 8 seats, 64 copies, in process", "its own PettingZoo face", plain, many, "env-steps/s")
    )
    local, first, second = in_turns(
        runs,
        lambda: stepping(MARKET, copies=128, groups=2, hosts=0, seconds=seconds),
        lambda: stepping(MARKET, copies=128, groups=2, hosts=1, seconds=seconds),
        lambda: stepping(MARKET, copies=128, groups=2, hosts=2, seconds=seconds),
    )
    rows.append(Row("market, 128 copies, 1 host", "the same in process", local, first, "env-steps/s"))
    rows.append(Row("market, 128 copies, 2 hosts", "the same in process", local, second, "env-steps/s"))
    suit0, suit2, ours1, ours2 = in_turns(
        runs,
        lambda: supersuit_loop(32, 0, seconds),
        lambda: supersuit_loop(32, 2, seconds),
        lambda: stepping(SPREAD, copies=32, groups=2, hosts=1, seconds=seconds),
        lambda: stepping(SPREAD, copies=32, groups=2, hosts=2, seconds=seconds),
    )
    best = max(suit0, suit2)
    rows.append(
        Row(
            "mpe2 simple_spread, 32 copies, 1 host",
            "SuperSuit concat_vec_envs, best",
            best,
            ours1,
            "env-steps/s",
        )
    )
    rows.append(
        Row(
            "mpe2 simple_spread, 32 copies, 2 hosts",
            "SuperSuit concat_vec_envs, best",
            best,
            ours2,
            "env-steps/s",
        )
    )
    rows += compare([Ours(256, 2)], stable_baselines((8, 0), (64, 2)), max(2, runs // 2), updates)
    count = 64 if asked.quick else 256
    loop, batched = in_turns(runs, lambda: plain_matches(count // 32), lambda: our_matches(count))
    rows.append(
        Row("market duel, 100 steps, scripted players", "a plain PettingZoo loop", loop, batched, "matches/s")
    )
    show(rows, as_json=asked.json)


if __name__ == "__main__":
    main()
