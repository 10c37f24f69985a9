"""A revised answer from us, from a three-call program in front of vLLM's own server, and from optillm there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from report import Result

from serving.bypass import SAMPLING, ask_vllm
from serving.client import Client
from serving.contestants import MODEL
from serving.figures import median_ratio
from serving.processes import Server
from serving.questions import Questions
from serving.replies import scene_text, uncached_tokens
from serving.rounds import run_rounds, settle
from tear_chain.words import Outcome, Reflection, Stage

QUESTIONS = 3
"""Revised answers that make a round."""
CRITIQUE = """Somebody wrote:

{question}

This reply to them was drafted:

{draft}

Who is it that receives this reply, what does it do to them, and what ripples from it?"""
REWRITE = """Somebody wrote:

{question}

This reply to them was drafted:

{draft}

This is what it would do:

{scene}

Write the reply that they should get."""


@dataclass(frozen=True, slots=True)
class Told:
    """One contestant's way to an answer."""

    first_s: float
    """To the first text of the model that the person sees."""
    end_s: float
    tokens: float
    """Generated in all."""
    uncached: float
    """Prompt tokens that the engine computed, as the engine counts them."""
    reported: float
    """The same, as the replies report them."""


@dataclass(frozen=True, slots=True)
class Round:
    """The same questions, by all three."""

    ours: Told
    pipeline: Told
    optillm: Told


async def measure_pipeline(
    client: Client, *, tear: Server, vllm: Server, optillm: Server, questions: Questions, rounds: int
) -> list[Result]:
    """First visible token, time to the end, prompt tokens computed."""

    async def one_round(_: int) -> Round:
        told: list[Round] = []
        while len(told) < QUESTIONS:
            question = questions.take(1)[0]
            ours, reflection = await _reflect(client, tear, question)
            if reflection.outcome is not Outcome.REVISED:
                continue  # a chain that nano left before its end has no revised answer to compare
            pipeline = await _call_three_times(client, vllm, question, reflection)
            told.append(Round(ours, pipeline, await _ask_optillm(client, optillm, vllm, question, reflection)))
        return Round(*(_mean([getattr(one, name) for one in told]) for name in ("ours", "pipeline", "optillm")))

    found = await run_rounds("revised answer: ours, three calls, optillm", rounds, one_round)
    return compare(found)


def compare(rounds: Sequence[Round]) -> list[Result]:
    """Every round is the mean of its questions; the ratios are taken within the round."""

    def column(side: str, figure: str) -> list[float]:
        return [float(getattr(getattr(one, side), figure)) for one in rounds]

    def ratio(side: str, figure: str) -> float:
        return median_ratio(column("ours", figure), column(side, figure))

    results = [
        Result("first visible token / three-call pipeline's", ratio("pipeline", "first_s"), "×", "<= 0.05"),
        Result("first visible token / optillm's", ratio("optillm", "first_s"), "×", "<= 0.05"),
        Result("revised answer, to its end / three-call pipeline's", ratio("pipeline", "end_s"), "×", "<= 0.75"),
        Result("uncached prefill / three-call pipeline's", ratio("pipeline", "uncached"), "×", "<= 0.5"),
        Result("uncached prefill as reported / three-call pipeline's", ratio("pipeline", "reported"), "×"),
    ]
    for side, named in (("ours", "ours"), ("pipeline", "three-call pipeline"), ("optillm", "optillm")):
        results += [
            Result(f"first visible token, {named}", 1000 * statistics.median(column(side, "first_s")), "ms"),
            Result(f"answer to its end, {named}", 1000 * statistics.median(column(side, "end_s")), "ms"),
            Result(f"generated per answer, {named}", statistics.median(column(side, "tokens")), "tokens"),
            Result(f"uncached prefill per answer, {named}", statistics.median(column(side, "uncached")), "tokens"),
        ]
    return results


async def _reflect(client: Client, tear: Server, question: str) -> tuple[Told, Reflection]:
    await settle()
    before = await client.counters(tear.url)
    messages = [{"role": "user", "content": question}]
    body = {"model": MODEL, "messages": messages, "reflection": {"revise_threshold": 0}, **SAMPLING}
    reply = await client.stream(tear.url, body)
    spent = (await client.counters(tear.url)).since(before)
    assert reply.reflection is not None, "our last chunk has the reflection"
    tokens = sum(report.tokens for report in reply.reflection.stages)
    reported = uncached_tokens(reply.reflection)
    return Told(reply.first_s, reply.end_s, tokens, spent.uncached_tokens, reported), reply.reflection


async def _call_three_times(client: Client, vllm: Server, question: str, reflection: Reflection) -> Told:
    """Each call is exactly as long as our stage was, and carries our own texts on: nano writes no others as well."""
    draft_tokens, scene_tokens, answer_tokens = (
        sum(report.tokens for report in reflection.stages if report.stage is stage)
        for stage in (Stage.DRAFT, Stage.WITNESS, Stage.REVISED)
    )
    texts = {"question": question, "draft": reflection.draft, "scene": scene_text(reflection)}
    await settle()
    before = await client.counters(vllm.url)
    began = time.perf_counter()
    draft = await client.ask(vllm.url, ask_vllm(question, draft_tokens))
    critique = await client.ask(vllm.url, ask_vllm(CRITIQUE.format(**texts), scene_tokens))
    spent_s = time.perf_counter() - began
    answer = await client.stream(vllm.url, ask_vllm(REWRITE.format(**texts), answer_tokens))
    spent = (await client.counters(vllm.url)).since(before)
    usages = draft.usage, critique.usage, answer.usage
    tokens = sum(usage.completion_tokens for usage in usages)
    reported = sum(usage.uncached_tokens for usage in usages)
    return Told(spent_s + answer.first_s, spent_s + answer.end_s, tokens, spent.uncached_tokens, reported)


async def _ask_optillm(client: Client, optillm: Server, vllm: Server, question: str, reflection: Reflection) -> Told:
    """As many tokens as we generated: the server behind it takes the limit for the length (`limit.py`)."""
    limit = sum(report.tokens for report in reflection.stages)
    await settle()
    before = await client.counters(vllm.url)
    body = {"model": MODEL, "messages": [{"role": "user", "content": question}], "max_tokens": limit, **SAMPLING}
    reply = await client.stream(optillm.url, body)
    spent = (await client.counters(vllm.url)).since(before)
    uncached = spent.uncached_tokens
    return Told(reply.first_s, reply.end_s, spent.generated_tokens, uncached, uncached)


def _mean(told: Sequence[Told]) -> Told:
    return Told(
        *(
            statistics.fmean(getattr(one, figure) for one in told)
            for figure in ("first_s", "end_s", "tokens", "uncached", "reported")
        )
    )
