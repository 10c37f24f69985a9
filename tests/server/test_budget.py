from __future__ import annotations

import pytest

from tear_chain.errors import ContextOverflow, InvalidRequest
from tear_server.budget import MARKERS, MIN_ANSWER, MIN_WITNESS, REFLECTED_ANSWER, Budget, Limits, plan_budget

LIMITS = Limits(context=2048, answer=512, witness=256)


def plan(prompt: int, *, requested: int | None = None, draft: int | None = None, limits: Limits = LIMITS) -> Budget:
    return plan_budget(prompt, requested=requested, draft_tokens=draft, limits=limits)


@pytest.mark.parametrize(
    ("prompt", "requested", "draft", "witness", "total"),
    [
        (100, None, 512, 256, 1280),
        (100, 1280, 512, 256, 1280),
        (100, 600, 172, 256, 600),
        (100, 352, 48, 256, 352),
        (100, 351, 151, 48, 351),
        (100, 144, 48, 48, 144),
        (100, 143, 143, 0, 143),
        (100, 16, 16, 0, 16),
        (100, 1, 1, 0, 1),
        (100, 100_000, 844, 256, 1944),
        (1500, None, 144, 256, 544),
        (1800, None, 98, 48, 244),
        (1944, None, 100, 0, 100),
        (2028, None, 16, 0, 16),
    ],
    ids=[
        *("defaults", "same-by-request", "smaller", "least-whole", "short-witness", "least-short", "no-room"),
        *("tiny", "one", "more-than-fits", "long-talk", "longer-talk", "too-long-to-reflect", "longest-talk"),
    ],
)
def test_tokens_are_shared_out(prompt: int, requested: int | None, draft: int, witness: int, total: int) -> None:
    budget = plan(prompt, requested=requested)
    assert (budget.draft, budget.witness, budget.total) == (draft, witness, total)


def test_whatever_is_asked_the_answer_has_its_share_after_a_full_draft_and_witness() -> None:
    for prompt in range(0, 2029, 13):
        for requested in (None, *range(1, 1400, 7)):
            budget = plan(prompt, requested=requested)
            assert prompt + MARKERS + budget.total <= LIMITS.context
            assert budget.total <= (requested or budget.total)
            left = budget.revised(draft=budget.draft, witness=budget.witness)
            if budget.witness:
                assert left >= budget.draft >= REFLECTED_ANSWER
                assert budget.witness >= MIN_WITNESS
            else:
                assert budget.draft == budget.total


def test_a_short_draft_leaves_its_rest_to_the_revision() -> None:
    budget = plan(100, requested=600)
    assert budget.revised(draft=12, witness=100) == 600 - 112


def test_without_a_callers_limit_no_answer_is_longer_than_the_operators() -> None:
    assert plan(100).revised(draft=12, witness=100) == LIMITS.answer


@pytest.mark.parametrize(("requested", "whole"), [(None, 512), (700, 700), (5, 5), (100_000, 1944)])
def test_a_bypass_gives_all_to_the_answer(requested: int | None, whole: int) -> None:
    budget = plan_budget(100, requested=requested, draft_tokens=None, limits=LIMITS, bypass=True)
    assert (budget.draft, budget.witness, budget.total) == (whole, 0, whole)


@pytest.mark.parametrize(
    ("draft", "requested", "shares"),
    [
        (50, None, (768, 256)),
        (50, 272, (272, 256)),
        (50, 100, (100, 84)),
        (50, 64, (64, 48)),
        (1800, None, (144, 128)),
    ],
    ids=["defaults", "least-whole", "shorter", "least", "long-draft"],
)
def test_a_supplied_draft_takes_room_and_no_tokens(draft: int, requested: int | None, shares: tuple[int, int]) -> None:
    budget = plan(100, requested=requested, draft=draft)
    assert (budget.total, budget.witness) == shares
    assert budget.draft == 0
    assert budget.revised(draft=0, witness=budget.witness) >= MIN_ANSWER


def test_a_supplied_draft_that_there_are_no_tokens_to_witness_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan(100, requested=63, draft=50)
    assert refused.value.param == "max_completion_tokens"


@pytest.mark.parametrize(("prompt", "draft"), [(2029, None), (5000, None), (1929, 100), (1881, 100)])
def test_a_conversation_that_leaves_no_room_is_refused(prompt: int, draft: int | None) -> None:
    with pytest.raises(ContextOverflow, match="maximum context length is 2048 tokens") as refused:
        plan(prompt, draft=draft)
    assert refused.value.param == "messages"
