"""Figures and findings of a reflection in words, the same for every view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from tear_chain.events import Witnessed
from tear_chain.words import Decision, Problem, Reflection, Status
from tear_client.replies import Witness


def signed(value: float, digits: int) -> str:
    """A weight with its sign; nothing is neither above nor below zero."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text


def decision_probability(witnessed: Witnessed) -> float | None:
    """What the model gave to the decision that was taken."""
    if witnessed.revise_probability is None:
        return None
    match witnessed.decision:
        case Decision.REVISE:
            return witnessed.revise_probability
        case Decision.KEEP:
            return 1 - witnessed.revise_probability
        case _:
            assert_never(witnessed.decision)


def shortfall(reflection: Reflection) -> str | None:
    """What kept a reflection from being complete, None for a complete one."""
    return _finding(reflection.status, reflection.problems)


def gaps(witness: Witness) -> str | None:
    """What kept a scene from being complete, None for a complete one."""
    return _finding(witness.status, witness.problems)


def in_words(problem: Problem) -> str:
    """A problem as a person says it."""
    return problem.value.replace("_", " ")


def _finding(status: Status, problems: Sequence[Problem]) -> str | None:
    if status is Status.COMPLETE:
        return None
    return f"{status} ({', '.join(map(str, problems))})" if problems else str(status)
