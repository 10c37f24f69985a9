"""Laws of the likelihood scorer: packed scores are those of every pair by itself."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from transformers import Ministral3ForCausalLM

from tear_training.evaluate import scorer as module
from tear_training.evaluate.scorer import Question, Scorer
from tear_training.evaluate.subject import load_subject


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Ministral3ForCausalLM:
    return load_subject(tiny_base, None).model


def questions(count: int, *, seed: int = 0) -> list[Question]:
    rng = Random(seed)

    def ids(length: int) -> tuple[int, ...]:
        return tuple(rng.randrange(200, 1500) for _ in range(length))

    return [
        Question(ids(rng.randint(1, 30)), tuple(ids(rng.randint(1, 12)) for _ in range(rng.randint(1, 5))))
        for _ in range(count)
    ]


def naive(model: Ministral3ForCausalLM, question: Question) -> list[float]:
    """Each pair by itself, in float64, with nothing shared, packed or filled up."""
    exact = Ministral3ForCausalLM(model.config).double()
    exact.load_state_dict({name: value.double() for name, value in model.state_dict().items()})
    found = []
    for continuation in question.continuations:
        ids = torch.tensor([question.prefix + continuation])
        with torch.no_grad():
            logs = exact(input_ids=ids).logits[0].log_softmax(-1)
        start = len(question.prefix)
        found.append(sum(logs[start + place - 1, token].item() for place, token in enumerate(continuation)))
    return found


def test_packed_scores_are_those_of_every_pair_by_itself(model: Ministral3ForCausalLM) -> None:
    asked = questions(7)
    scores = Scorer(model, tokens_at_once=120).score(asked)
    for question, values in zip(asked, scores, strict=True):
        assert values == pytest.approx(naive(model, question), rel=1e-5)


def test_a_question_that_outgrows_a_row_gets_several_and_the_same_scores(
    model: Ministral3ForCausalLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = questions(4, seed=1)
    whole = Scorer(model).score(asked)
    monkeypatch.setattr(module, "_LONGEST_ROW", 20)
    for ours, theirs in zip(Scorer(model).score(asked), whole, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


def test_a_continuation_does_not_see_its_neighbour(model: Ministral3ForCausalLM) -> None:
    (question,) = questions(1, seed=2)
    alone = Scorer(model).score([Question(question.prefix, question.continuations[-1:])])[0][0]
    beside = Scorer(model).score([Question(question.prefix, ((900, 901, 902), question.continuations[-1]))])[0][1]
    assert beside == pytest.approx(alone, rel=1e-6)


def test_the_probabilities_of_all_single_tokens_add_up_to_one(model: Ministral3ForCausalLM) -> None:
    every = tuple((token,) for token in range(model.config.vocab_size))
    (values,) = Scorer(model).score([Question((5, 300), every)])
    assert torch.tensor(values).exp().sum().item() == pytest.approx(1, rel=1e-5)


def test_scores_are_counted(model: Ministral3ForCausalLM) -> None:
    scorer = Scorer(model)
    asked = questions(3)
    scorer.score(asked)
    assert scorer.scores == sum(len(question.continuations) for question in asked)
    assert scorer.per_second == pytest.approx(scorer.scores / scorer.seconds)


@pytest.mark.parametrize(
    ("prefix", "continuations"),
    [((), ((1,),)), ((1,), ()), ((1,), ((),))],
    ids=["no-prefix", "nothing-asked", "an-empty-one"],
)
def test_an_empty_question_is_refused(prefix: tuple[int, ...], continuations: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        Question(prefix, continuations)
