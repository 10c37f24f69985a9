import math
import re
import time
from collections import Counter
from itertools import islice

import pytest

from tear_training import world_text as text
from tear_training.world import ACTS, NEEDS, TABLE, Act, Case, Fragility, Need, Split, World, weight_of

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@pytest.fixture(scope="module")
def cases() -> dict[Split, list[Case]]:
    return {split: list(World(3).cases(split=split, count=4000)) for split in SPLITS}


def test_six_acts_open_most_needs_and_six_close_them() -> None:
    opened = {act: sum(TABLE[need][act] > 0 for need in NEEDS) for act in ACTS}
    assert sorted(opened.values()) == [0, 0, 1, 1, 1, 1, 7, 7, 8, 8, 8, 8]


@pytest.mark.parametrize("need", NEEDS)
def test_every_need_has_at_least_two_siblings_of_each_valence(need: Need) -> None:
    opening = sum(effect > 0 for effect in TABLE[need].values())
    assert 2 <= opening <= len(ACTS) - 2


@pytest.mark.parametrize(
    ("need", "act", "fragility", "weight"),
    [
        ("start", "ask", "ordinary", 2),
        ("grief", "plan", "raw", -3),
        ("rest", "ask", "sturdy", 0),
        ("rest", "compare", "sturdy", 0),
        ("joy", "cheer", "raw", 3),
    ],
)
def test_fragility_makes_an_effect_stronger_and_never_turns_it(
    need: Need, act: Act, fragility: Fragility, weight: int
) -> None:
    assert weight_of(need, act, fragility) == weight


def test_the_same_seed_tells_the_same_world() -> None:
    first, second = (list(World(11).cases(split="train", count=50)) for _ in range(2))
    assert first == second
    documents = (list(islice(World(11).documents(), 50)) for _ in range(2))
    assert next(documents) == next(documents)


def test_another_seed_tells_another_world() -> None:
    assert list(World(11).rows(split="train", count=5)) != list(World(12).rows(split="train", count=5))


def test_no_situation_straddles_splits(cases: dict[Split, list[Case]]) -> None:
    said = {split: {case.row.input for case in cases[split]} for split in SPLITS}
    ids = {split: {case.row.situation_id for case in cases[split]} for split in SPLITS}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not said[one] & said[other]  # type: ignore[index]
        assert not ids[one] & ids[other]  # type: ignore[index]


def test_unseen_answers_appear_in_the_test_split_alone(cases: dict[Split, list[Case]]) -> None:
    unseen = {answer for act in text.ACTS.values() for answer in act.answers[-text.HELD_OUT :] if "{" not in answer}
    spoken = {split: " ".join(f"{case.row.response} {case.row.revised}" for case in cases[split]) for split in SPLITS}
    documents = " ".join(islice(World(3).documents(), 4000))
    for answer in unseen:
        assert answer not in spoken["train"]
        assert answer not in spoken["validation"]
        assert answer not in documents
    assert any(answer in spoken["test"] for answer in unseen)
    share = sum(not case.gold.is_answer_seen for case in cases["test"]) / len(cases["test"])
    assert share == pytest.approx(0.5, abs=0.05)


def test_weight_is_what_the_table_says(cases: dict[Split, list[Case]]) -> None:
    for row, gold in cases["train"]:
        assert row.consequence.weight == gold.weight == weight_of(gold.need, gold.act, gold.fragility)


def test_exactly_the_closing_answers_are_revised(cases: dict[Split, list[Case]]) -> None:
    assert all((row.revised is not None) == (gold.valence < 0) for row, gold in cases["train"])


def test_a_bag_of_words_tells_the_act_and_little_more(cases: dict[Split, list[Case]]) -> None:
    """The cells that turn an act's effect round are what words alone cannot tell."""
    by_act = {act: sum(TABLE[need][act] > 0 for need in NEEDS) > len(NEEDS) / 2 for act in ACTS}
    judged = [gold for _, gold in cases["validation"] if gold.valence]
    told_by_act = sum(by_act[gold.act] == (gold.valence > 0) for gold in judged) / len(judged)
    assert 0.85 < told_by_act < 0.97
    assert bag_of_words_accuracy(cases["train"], cases["validation"]) <= told_by_act + 0.02


@pytest.mark.parametrize("feature", ["!", "words"])
def test_style_is_independent_of_valence(cases: dict[Split, list[Case]], feature: str) -> None:
    """A question mark is not style: to ask is an act, and it opens."""

    def measure(case: Case) -> float:
        answer = case.row.response
        return len(answer.split()) if feature == "words" else float(feature in answer)

    means = []
    for valence in (-1, 1):
        values = [measure(case) for split in SPLITS for case in cases[split] if case.gold.valence == valence]
        means.append(sum(values) / len(values))
    assert means[0] == pytest.approx(means[1], rel=0.05 if feature == "words" else None, abs=0.04)


def test_documents_do_not_link_an_answer_to_its_consequence() -> None:
    """In documents that hold an act and a scene, the scene agrees with the table no more than by chance."""
    opens = [first_words(line) for act in text.ACTS.values() for line in act.opened]
    closes = [first_words(line) for act in text.ACTS.values() for line in act.closed]
    answers = {act: [first_words(line) for line in stock.answers] for act, stock in text.ACTS.items()}
    counts: Counter[tuple[bool, bool]] = Counter()
    for document in islice(World(5).documents(), 30_000):
        lines = document.split("\n")
        need = need_of(lines[0])
        if len(lines) < 5 or need is None:
            continue
        act = next((act for act, starts in answers.items() if any(start in lines[1] for start in starts)), None)
        opened, closed = (any(start in lines[3].lower() for start in stock) for stock in (opens, closes))
        if act is not None and opened != closed:
            counts[TABLE[need][act] > 0, opened] += 1  # type: ignore[index]
    assert min(counts.values()) > 60
    agreeing = (counts[True, True] + counts[False, False]) / counts.total()
    assert agreeing == pytest.approx(0.5, abs=0.07)


def test_every_slot_is_filled(cases: dict[Split, list[Case]]) -> None:
    for split in SPLITS:
        for row, _ in cases[split]:
            scene = row.consequence
            assert "{" not in f"{row.input} {row.response} {row.revised} {scene.who} {scene.impact} {scene.ripples}"
    assert not any("{" in document for document in islice(World(3).documents(), 2000))


def test_the_readme_prompt_lies_in_the_world() -> None:
    shape = text.NEEDS["start"].situations[0]
    prompt = "I've been trying to learn piano for a month but I'm still terrible."
    assert shape.format(learn=text.TOPICS[0].learn, span=text.SPANS[0]) == prompt


def test_the_world_is_wide_enough() -> None:
    assert len(text.TOPICS) >= 20
    assert all(len(need.situations) >= 8 for need in text.NEEDS.values())
    assert all(len(act.answers) - text.HELD_OUT >= 8 for act in text.ACTS.values())
    assert tuple(text.NEEDS) == NEEDS
    assert tuple(text.ACTS) == ACTS


def test_ten_thousand_rows_are_made_in_a_second_or_so() -> None:
    started_s = time.perf_counter()
    distinct = {(row.input, row.response) for row in World(1).rows(split="train", count=10_000)}
    # Leaves room for a busy machine; an idle one takes a third of a second.
    assert time.perf_counter() - started_s < 5
    assert len(distinct) == 10_000


def bag_of_words_accuracy(train: list[Case], held_out: list[Case]) -> float:
    counts = {valence: Counter[str]() for valence in (-1, 1)}
    for row, gold in train:
        if gold.valence:
            counts[gold.valence].update(words_of(row.response))
    vocabulary = len(counts[-1] | counts[1])
    totals = {valence: counts[valence].total() + vocabulary for valence in counts}
    judged = [(row, gold) for row, gold in held_out if gold.valence]
    right = 0
    for row, gold in judged:
        score = sum(
            math.log((counts[1][word] + 1) / totals[1]) - math.log((counts[-1][word] + 1) / totals[-1])
            for word in words_of(row.response)
        )
        right += (score > 0) == (gold.valence > 0)
    return right / len(judged)


def words_of(answer: str) -> set[str]:
    return set(re.findall(r"[\w']+|[?!]", answer.lower()))


def first_words(template: str) -> str:
    """The longest run of a template that has no slot."""
    return max(re.split(r"\{\w+\}", template), key=len).strip().lower()


def need_of(situation: str) -> str | None:
    for need, stock in text.NEEDS.items():
        for shape in stock.situations:
            if all(piece.strip() in situation for piece in re.split(r"\{\w+\}", shape)):
                return need
    return None
