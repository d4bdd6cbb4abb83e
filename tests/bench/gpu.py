"""PPO on a batched arena in 4,096 copies, playing and learning: on a GPU beside a thread of its machine.

python tests/bench/gpu.py [--quick] [--json]

Both sides: `spread` (three seats), the settings of its preset with minibatches of 32,768, 25 steps an update;
arenas and fragments stay in main memory. Without a GPU its row says so and has no figure.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

if __name__ == "__main__":  # the checkout instead of this folder, whose names hide those of distributions
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch

from agents.tuned import read_preset
from tests.bench.table import Row, options, show
from tests.learning.practice import Practice

COPIES, STEPS, MINIBATCH = 4096, 25, 32_768


def speed(device: str, copies: int, updates: int) -> float:
    """Agent-steps a second of wall time, after an update that nobody counts."""
    settings = {**read_preset("spread/ppo"), "minibatch": MINIBATCH, "device": device}
    practice = Practice("spread", 0, settings, copies=copies, rollout=STEPS)
    practice.run(1)
    before, began_s = practice.learner.decisions, time.perf_counter()
    practice.run(updates)
    if device != "cpu":
        torch.cuda.synchronize()
    return float(practice.learner.decisions - before) / (time.perf_counter() - began_s)


def compare(updates: int, copies: int = COPIES) -> Row:
    """Of the GPU that there is, or nothing."""
    work = f"PPO, spread, {copies:,} copies, on cuda"
    there = torch.cuda.is_available()
    ours = speed("cuda", copies, updates) if there else None
    peer = "one thread of this CPU" if there else "one thread of this CPU; no GPU here"
    return Row(work, peer, speed("cpu", copies, updates), ours, "agent-steps/s")


if __name__ == "__main__":
    asked = options("Learning on a GPU beside the CPU.")
    show([compare(1 if asked.quick else 10)], as_json=asked.json)
