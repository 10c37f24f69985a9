"""What another model thinks an answer does: rows on which writer and judge disagree are not kept."""

from __future__ import annotations

from tear_chain.errors import InvalidRequest
from tear_training.expand.cache import Request, Sampling
from tear_training.expand.prompts import judge_messages
from tear_training.expand.shapes import Judgement, ReplyFault, read_shape
from tear_training.expand.writer import Asker
from tear_training.rows import Row

MAX_DISTANCE = 1
"""Between the two weights, where their signs agree."""


def check_judge(writer: Asker, judge: Asker | None, *, unjudged: bool) -> None:
    """Raise `InvalidRequest` unless another model than the writer judges, or it is said that none shall."""
    if judge is None and not unjudged:
        raise InvalidRequest("No judge is given. Name one with --judge-model, or say --no-judge.", param="judge_model")
    if judge is not None and unjudged:
        raise InvalidRequest("A judge is given and --no-judge is said. Leave one out.", param="judge_model")
    if judge is not None and judge.model == writer.model and judge.address == writer.address:
        raise InvalidRequest(
            f"{judge.model} cannot judge what it wrote itself. Name another model with --judge-model.",
            param="judge_model",
        )


async def judge_fault(judge: Asker, row: Row, *, sampling: Sampling) -> str | None:
    """Why the judge does not confirm a row, or None."""
    request = Request(judge.model, judge_messages(row), sampling)
    reply = await judge.ask(request, shape=Judgement)
    try:
        judgement = read_shape(reply.text, Judgement)
    except ReplyFault as exc:
        return f"judge: unreadable: {exc}"
    return disagreement(row, judgement)


def disagreement(row: Row, judgement: Judgement) -> str | None:
    """How far writer and judge are apart, or None where signs agree and sizes are within one."""
    written, judged = row.consequence.weight or 0, judgement.weight
    if _sign(written) == _sign(judged) and abs(written - judged) <= MAX_DISTANCE:
        return None
    return f"judge: weight {judged}, the writer said {written}: {' '.join(judgement.effect.split())}"


def _sign(weight: int) -> int:
    return (weight > 0) - (weight < 0)
