from __future__ import annotations

from typing import Any, get_args

import pytest
from training.test_rows import row_of

from tear_training.expand.judge import disagreement
from tear_training.expand.prompts import judge_messages
from tear_training.expand.shapes import Judgement, Weight


def weighing(weight: int) -> dict[str, object]:
    return {"who": "a tired nurse", "impact": "She closed the lid.", "ripples": "It stayed shut.", "weight": weight}


@pytest.mark.parametrize("written", get_args(Weight))
def test_signs_agree_and_sizes_are_within_one(written: int) -> None:
    confirmed: dict[int, set[int]] = {
        -3: {-3, -2}, -2: {-3, -2, -1}, -1: {-2, -1}, 0: {0}, 1: {1, 2}, 2: {1, 2, 3}, 3: {2, 3}
    }  # fmt: skip
    row = row_of(consequence=weighing(written))
    judged: Any
    for judged in get_args(Weight):
        fault = disagreement(row, Judgement(who="w", effect="e", weight=judged))
        assert (fault is None) == (judged in confirmed[written]), judged


def test_a_disagreement_says_what_both_think() -> None:
    fault = disagreement(row_of(consequence=weighing(2)), Judgement(who="w", effect="He\nleft.", weight=-1))
    assert fault == "judge: weight -1, the writer said 2: He left."


def test_the_judge_sees_situation_and_answer_and_nothing_of_the_verdict() -> None:
    row = row_of(consequence=weighing(-2), culture="japan")
    asked = judge_messages(row)[-1].content
    for shown in (row.input, row.response, "japan"):
        assert shown is not None
        assert shown in asked
    heavier = row_of(consequence=weighing(3), culture="japan", revised=None, difficulty="subtle", traits=["blunt"])
    assert judge_messages(heavier) == judge_messages(row)
    assert "nurse" not in asked
