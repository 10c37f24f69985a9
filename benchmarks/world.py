"""How fast the procedural world makes rows.

make bench
"""

from __future__ import annotations

import statistics
import time

from report import Result, report

from tear_training.world import World

ROWS, ROUNDS = 10_000, 7


def main() -> None:
    speeds, distinct = [], []
    for seed in range(ROUNDS):
        began = time.perf_counter()
        rows = list(World(seed).rows(split="train", count=ROWS))
        speeds.append(ROWS / (time.perf_counter() - began))
        distinct.append(len({(row.input, row.response) for row in rows}) / ROWS)
    report(
        "world",
        [
            Result("rows made", statistics.median(speeds), "rows/s", ">= 10000"),
            Result("share of distinct rows", min(distinct), "", ">= 1"),
        ],
    )


if __name__ == "__main__":
    main()
