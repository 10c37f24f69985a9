"""One situation from prompt to rows: asked, read, measured and judged."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tear_training.expand.cache import Reply, Request, Sampling
from tear_training.expand.filters import Origin, Said, length_fault, make_rows
from tear_training.expand.judge import judge_fault
from tear_training.expand.plan import Ask, ExpandPlan
from tear_training.expand.prompts import writer_messages
from tear_training.expand.shapes import ReplyFault, WrittenSituation, read_shape
from tear_training.expand.writer import Asker, Unanswered
from tear_training.rejected import Rejected
from tear_training.rows import Row


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row, and why it is not kept, if anything speaks against it."""

    row: Row
    fault: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one situation: rows, or a reply that is none, or no reply."""

    candidates: tuple[Candidate, ...] = ()
    rejected: Rejected | None = None
    unanswered: str | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """Who writes, who judges, and what must not be said again."""

    plan: ExpandPlan
    writer: Asker
    judge: Asker | None
    origin: Origin
    against: Said


def request_for(ask: Ask, plan: ExpandPlan, *, model: str) -> Request:
    """The request that asks the writer for one situation."""
    sampling = Sampling(ask.seed, plan.temperature, plan.top_p, plan.max_tokens)
    return Request(model, writer_messages(ask, language=plan.language), sampling)


async def attempt(bench: Bench, ask: Ask, request: Request) -> Attempt:
    """Ask for one situation, and for a judgement on each answer that nothing else speaks against.

    It looks at no other situation of the run: what comes of it does not hang on who answers first.
    """
    try:
        reply = await bench.writer.ask(request, shape=WrittenSituation)
        try:
            rows = make_rows(_read(reply), ask, request, origin=bench.origin)
        except ReplyFault as exc:
            return Attempt(rejected=Rejected(reason=f"schema: {exc}", reply=reply.text))
        return Attempt(candidates=tuple([Candidate(row, await _fault(bench, row, request)) for row in rows]))
    except Unanswered as exc:
        return Attempt(unanswered=str(exc))


def _read(reply: Reply) -> WrittenSituation:
    if reply.refusal is not None or reply.finish_reason == "content_filter":
        raise ReplyFault(f"the writer refused: {reply.refusal or 'content filter'}")
    if reply.finish_reason == "length":
        raise ReplyFault("the reply was cut off at the limit of tokens; raise max_tokens")
    return read_shape(reply.text, WrittenSituation)


async def _fault(bench: Bench, row: Row, request: Request) -> str | None:
    known = length_fault(row) or bench.against.fault(row)
    if known is not None or bench.judge is None:
        return known
    drawn = replace(request.sampling, temperature=bench.plan.judge_temperature, top_p=None)
    return await judge_fault(bench.judge, row, sampling=drawn)
