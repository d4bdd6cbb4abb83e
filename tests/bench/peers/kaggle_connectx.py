"""Matches of kaggle-environments' connect four between its own random agents, run by `.venv-peers/kaggle`.

A line with a number comes in, that many matches are played, and matches per second go out; until the end of
input. What the package prints while it is imported goes to standard error.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time


def main() -> None:
    """Answer line by line; a first match is played before."""
    with contextlib.redirect_stdout(sys.stderr):
        make = importlib.import_module("kaggle_environments").make
        make("connectx").run(["random", "random"])
    print("ready", flush=True)
    for line in sys.stdin:
        began_s = time.perf_counter()
        for _ in range(int(line)):
            make("connectx").run(["random", "random"])
        print(int(line) / (time.perf_counter() - began_s), flush=True)


if __name__ == "__main__":
    main()
