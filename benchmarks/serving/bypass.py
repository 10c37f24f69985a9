"""Our direct model against vLLM's own chat completions: the same engine, adapter, questions and lengths."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from report import Result

from serving.client import Body, Client
from serving.contestants import DIRECT, MODEL
from serving.figures import median_ratio
from serving.processes import Server
from serving.questions import Questions
from serving.rounds import run_rounds, settle

QUESTIONS = {1: 8, 16: 32}
"""How many make a round, by how many are asked at once."""
SAMPLING = {"temperature": 0.7, "top_p": 0.9}


@dataclass(frozen=True, slots=True)
class Turn:
    """One contestant's part of a round."""

    lengths: tuple[int, ...]
    """Tokens of each reply."""
    seconds: float
    """For all of them."""
    first_s: float
    """Median over them."""

    @property
    def speed(self) -> float:
        """Tokens per second, all requests together."""
        return sum(self.lengths) / self.seconds


async def measure_bypass(
    client: Client, tear: Server, vllm: Server, *, questions: Questions, rounds: int
) -> list[Result]:
    """Throughput and time to first token, both streamed."""
    results: list[Result] = []
    for concurrent, count in QUESTIONS.items():
        duel = partial(_round, client, tear, vllm, questions=questions, count=count, concurrent=concurrent)
        named = f"{concurrent} at once"
        results += compare(await run_rounds(f"direct / vLLM's own server, {named}", rounds, duel), named=named)
    return results


def compare(rounds: Sequence[tuple[Turn, Turn]], *, named: str) -> list[Result]:
    """Ours and theirs of every round; the ratios are taken within the round."""
    ours, theirs = zip(*rounds, strict=True)
    speeds = [turn.speed for turn in ours], [turn.speed for turn in theirs]
    firsts = [turn.first_s for turn in ours], [turn.first_s for turn in theirs]
    return [
        Result(f"direct throughput / vLLM's own server's, {named}", median_ratio(*speeds), "×", ">= 1.0"),
        Result(f"direct TTFT p50 / vLLM's own server's, {named}", median_ratio(*firsts), "×", "<= 1.0"),
        Result(f"direct throughput, {named}", statistics.median(speeds[0]), "tokens/s"),
        Result(f"vLLM's own server's throughput, {named}", statistics.median(speeds[1]), "tokens/s"),
        Result(f"direct TTFT p50, {named}", 1000 * statistics.median(firsts[0]), "ms"),
        Result(f"vLLM's own server's TTFT p50, {named}", 1000 * statistics.median(firsts[1]), "ms"),
        Result(f"tokens per direct reply, {named}", statistics.median(map(_mean_length, ours)), "tokens"),
    ]


def ask_direct(question: str) -> Body:
    """An ordinary request for our direct model."""
    return {"model": DIRECT, "messages": [{"role": "user", "content": question}], **SAMPLING}


def ask_vllm(question: str, tokens: int) -> Body:
    """The same for vLLM's own server, exactly `tokens` long.

    Control tokens are shown there, so that its first token is seen even where it is one of them.
    """
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": tokens,
        "min_tokens": tokens,
        "ignore_eos": True,
        "skip_special_tokens": False,
        **SAMPLING,
    }


async def _round(
    client: Client, tear: Server, vllm: Server, _: int, *, questions: Questions, count: int, concurrent: int
) -> tuple[Turn, Turn]:
    asked = questions.take(count)
    ours = await _turn(client, tear, [ask_direct(question) for question in asked], concurrent=concurrent)
    bodies = [ask_vllm(question, length) for question, length in zip(asked, ours.lengths, strict=True)]
    theirs = await _turn(client, vllm, bodies, concurrent=concurrent)
    assert theirs.lengths == ours.lengths, f"{theirs.lengths} tokens there, {ours.lengths} here"
    return ours, theirs


async def _turn(client: Client, server: Server, bodies: Sequence[Body], *, concurrent: int) -> Turn:
    await settle()
    began = time.perf_counter()
    replies = await client.stream_all(server.url, bodies, concurrent=concurrent)
    seconds = time.perf_counter() - began
    lengths = tuple(reply.usage.completion_tokens for reply in replies)
    return Turn(lengths, seconds, statistics.median(reply.first_s for reply in replies))


def _mean_length(turn: Turn) -> float:
    return statistics.fmean(turn.lengths)
