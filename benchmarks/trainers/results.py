"""Turns as figures: medians of rounds, and ratios that are taken within a round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from report import Result
from serving.figures import median_ratio

from trainers.contestants import OURS, Name
from trainers.shape import ShapeName, flops
from trainers.work import Turn


def speed_results(
    turns: Mapping[Name, Sequence[Turn]], *, shape: ShapeName, bars: Mapping[Name, str], peak_tflops: float | None
) -> list[Result]:
    """Medians of rounds; a ratio is taken within its round. MFU where the peak is known."""
    results: list[Result] = []
    for name, taken in turns.items():
        trained = statistics.median(turn.trained / turn.seconds for turn in taken)
        results.append(Result(f"trained tokens, {name}", trained, "tokens/s"))
        results.append(
            Result(f"all tokens, {name}", statistics.median(turn.tokens / turn.seconds for turn in taken), "tokens/s")
        )
        if peak_tflops is not None:
            shares = [
                flops(shape, tokens=turn.tokens, trained=turn.trained) / turn.seconds / (peak_tflops * 1e12)
                for turn in taken
            ]
            results.append(Result(f"MFU, {name}", statistics.median(shares), "of the peak"))
        results.append(Result(f"peak memory, {name}", max(turn.peak_bytes for turn in taken) / 2**20, "MiB"))
    ours = [turn.trained / turn.seconds for turn in turns[OURS]]
    for name, bar in bars.items():
        theirs = [turn.trained / turn.seconds for turn in turns[name]]
        results.append(Result(f"trained tokens/s, The Tear / {name}", median_ratio(ours, theirs), "×", bar))
    return results


def check_alike(turns: Mapping[Name, Sequence[Turn]]) -> None:
    """Raise where the contestants did not learn the same number of tokens: then no ratio means anything."""
    counts = {name: {turn.trained for turn in taken} for name, taken in turns.items()}
    if len(set.union(*counts.values())) > 1:
        raise RuntimeError(f"the contestants did not learn the same tokens: {counts}")
