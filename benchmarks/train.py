"""What training costs, against TRL; see `training.md` here.

One run measures everything, on this machine: rounds in which the contestants take turns on the same rows, ratios within
a round, medians of them. A bar that is missed is printed as missed.

    make bench-train
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from report import Result, report
from rich.console import Console
from trainers.contestants import OURS, TRL_FOLDER, Name, contesting, in_fresh_process
from trainers.memory import loss_step_bytes
from trainers.results import check_alike, speed_results
from trainers.shape import make_base
from trainers.work import Turn, Work, make_work

ROUNDS = 5
ROWS = {"cpu": 4, "cuda": 32}
STEPS = 4
"""The first of a turn is left out."""
LOSS_ROWS = 4
PARTS = ("speed", "memory")
BARS: Mapping[Name, str] = {
    "TRL, fast path": ">= 2.0",
    "TRL, compute_loss_func": ">= 3.5",
    "TRL, weighted subclass": ">= 1.5",
}
GPU_BARS: Mapping[Name, str] = {"TRL, fast path": ">= 1.15"}
PEAK_TFLOPS = 989.0
"""BF16 without sparsity, of an H100 SXM and of an H200."""


def measure_speed(work: Work, names: Sequence[Name], *, rounds: int) -> dict[Name, list[Turn]]:
    """The turns of each by round; a round before them warms all up and is dropped."""
    console = Console()
    turns: dict[Name, list[Turn]] = {name: [] for name in names}
    with ExitStack() as stack:
        take = {name: stack.enter_context(contesting(name, work)) for name in names}
        for index in range(rounds + 1):
            first = index % len(names)
            for name in (*names[first:], *names[:first]):  # nobody always comes after the same
                turn = take[name]()
                console.print(f"round {index}, {name}: {turn.trained} tokens in {turn.seconds:.2f} s")
                if index > 0:
                    turns[name].append(turn)
    if work.device == "cpu":  # where TRL packs, it deals rows into steps of its own
        check_alike(turns)
    return turns


def measure_memory(work: Work) -> list[Result]:
    """What a loss step takes, each in a process of its own."""
    results: list[Result] = []
    for precision in ("bfloat16", "float32"):
        tiled, full = (
            in_fresh_process(
                work.threads, loss_step_bytes, work, loss=loss, precision=precision, rows=LOSS_ROWS
            )
            for loss in ("tiled", "full logits")
        )  # fmt: skip
        results += [
            Result(f"loss step's memory, {precision}, The Tear", tiled / 2**20, "MiB"),
            Result(f"loss step's memory, {precision}, ForCausalLMLoss", full / 2**20, "MiB"),
            Result(f"loss step's memory, {precision}, The Tear / ForCausalLMLoss", tiled / full, "×", "<= 0.35"),
        ]
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--shape", choices=("tiny", "3b"), default="tiny")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rows", type=int, default=None, help="of a step; 4, or 32 on a GPU")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peak-tflops", type=float, default=PEAK_TFLOPS, help="of the accelerator, for MFU")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="some parts of it")
    parser.add_argument("--out", default=None, help="name of the file under benchmarks/results")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as for Ctrl-C: the contestants are ended first
    on_gpu = arguments.device == "cuda"
    if not on_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # both trainers would take what they find
    bars = GPU_BARS if on_gpu else BARS
    began = time.monotonic()
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        base = make_base(arguments.shape, Path(folder))
        work = make_work(
            base,
            Path(folder),
            device=arguments.device,
            steps=arguments.steps,
            size=arguments.rows or ROWS[arguments.device],
            threads=arguments.threads,
        )
        if "speed" in arguments.only:
            turns = measure_speed(work, (OURS, *bars), rounds=arguments.rounds)
            results += speed_results(
                turns, shape=arguments.shape, bars=bars, peak_tflops=arguments.peak_tflops if on_gpu else None
            )
        if "memory" in arguments.only:
            results += measure_memory(work)
    sys.path.append(str(TRL_FOLDER))  # for its version
    took = f"{arguments.rounds} rounds of {arguments.steps} steps, {time.monotonic() - began:.0f} s"
    report(arguments.out or ("train_gpu" if on_gpu else "train"), results, note=took)
    missed = [result.name for result in results if result.ok is False]
    print(f"{len(missed)} bars missed" + "".join(f"\n  {name}" for name in missed))


if __name__ == "__main__":
    main()
