import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tear_training import world_text as text
from tear_training.rows import Row
from tear_training.world import Case, Gold, Split, World
from tear_training.world_table import ACTS, NEEDS, TABLES, Act, Cell, Fragility, Need, Table, TableName

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
BALANCED, LEANING, WOVEN = TABLES["balanced"], TABLES["leaning"], TABLES["woven"]
EACH_TABLE = pytest.mark.parametrize("table", TABLES)


@pytest.fixture(scope="module")
def cases() -> dict[Split, list[Case]]:
    return {split: list(World(3, table="leaning").cases(split=split, count=4000)) for split in SPLITS}


@pytest.fixture(scope="module")
def balanced() -> dict[Split, list[Case]]:
    return {split: list(World(3).cases(split=split, count=6000)) for split in SPLITS}


@pytest.fixture(scope="module")
def woven() -> dict[Split, list[Case]]:
    return {split: list(World(3, table="woven").cases(split=split, count=4000)) for split in SPLITS}


def test_in_the_leaning_table_six_acts_open_most_needs_and_six_close_them() -> None:
    opened = {act: sum(LEANING.effects[need][act] > 0 for need in NEEDS) for act in ACTS}
    assert sorted(opened.values()) == [0, 0, 1, 1, 1, 1, 7, 7, 8, 8, 8, 8]


def cells(table: Table, *, among: Collection[Cell]) -> list[tuple[Need, Act, int]]:
    return [(need, act, table.effects[need][act]) for need in NEEDS for act in ACTS if (need, act) in among]


@pytest.mark.parametrize(
    ("table", "among"),
    [
        (BALANCED, BALANCED.shown),
        (BALANCED, BALANCED.held_out),
        (WOVEN, WOVEN.shown),
        (WOVEN, WOVEN.held_out),
        (WOVEN, WOVEN.held_back),
    ],
    ids=["balanced-shown", "balanced-held-out", "woven-shown", "woven-held-out", "woven-held-back"],
)
@pytest.mark.parametrize("place", [0, 1], ids=["need", "act"])
def test_neither_need_nor_act_alone_tells_the_effect(place: int, table: Table, among: Collection[Cell]) -> None:
    effects: dict[str, list[int]] = {}
    for cell in cells(table, among=among):
        effects.setdefault(str(cell[place]), []).append(cell[2])
    for name, found in effects.items():
        assert sorted(found) == sorted(-effect for effect in found), name


def test_held_out_cells_of_the_woven_table_follow_from_shown_ones() -> None:
    """A model of two factors that fits the shown half finds all the rest, by sign and by strength."""
    foreseen = two_factors(WOVEN)
    unseen = cells(WOVEN, among=WOVEN.held_out | WOVEN.held_back)
    assert {(need, act): round(foreseen[need, act]) for need, act, _ in unseen} == {
        (need, act): effect for need, act, effect in unseen
    }


def test_held_out_cells_of_the_balanced_table_follow_only_in_part() -> None:
    """Its signs are of rank four, so most of them can be guessed by kinship, and no more than most."""
    foreseen = two_factors(BALANCED)
    unseen = cells(BALANCED, among=BALANCED.held_out)
    signs = sum((foreseen[need, act] > 0) == (effect > 0) for need, act, effect in unseen) / len(unseen)
    assert 0.7 < signs < 0.95


def test_in_every_need_each_effect_is_held_out_once_in_the_woven_table() -> None:
    """So a held-out situation always has two answers of one valence with unlike weights."""
    for need in NEEDS:
        assert sorted(effect for of, _, effect in cells(WOVEN, among=WOVEN.held_out) if of == need) == [-2, -1, 1, 2]


@pytest.mark.parametrize("among", [WOVEN.shown, WOVEN.held_out, WOVEN.held_back], ids=["shown", "out", "back"])
def test_in_the_woven_table_neither_need_nor_act_tells_the_strength(among: Collection[Cell]) -> None:
    for place in (0, 1):
        strengths: dict[str, list[int]] = {}
        for cell in cells(WOVEN, among=among):
            strengths.setdefault(str(cell[place]), []).append(abs(cell[2]))
        assert all(found.count(1) == found.count(2) for found in strengths.values())


def test_held_out_and_held_back_cells_are_apart() -> None:
    assert not WOVEN.held_out & WOVEN.held_back
    assert len(WOVEN.shown) == len(NEEDS) * len(ACTS) / 2


def test_at_least_a_quarter_of_the_balanced_cells_is_held_out() -> None:
    assert len(BALANCED.held_out) / (len(NEEDS) * len(ACTS)) >= 0.25


@EACH_TABLE
@pytest.mark.parametrize("need", NEEDS)
def test_every_need_has_at_least_two_shown_siblings_of_each_valence(need: Need, table: TableName) -> None:
    shown = [effect for of, _, effect in cells(TABLES[table], among=TABLES[table].shown) if of == need]
    assert min(sum(effect > 0 for effect in shown), sum(effect < 0 for effect in shown)) >= 2


@pytest.mark.parametrize("table", ["balanced", "woven"])
def test_the_table_in_the_documentation_is_the_table(table: TableName) -> None:
    page = Path("docs/world.md").read_text(encoding="utf-8")
    told_of = page.split(f"## The {table} table", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip("|").split("|") for line in told_of.splitlines() if line.startswith("|") and "---" not in line]
    header, *rows = [[cell.strip() for cell in line] for line in lines]
    assert header[1:] == list(ACTS)
    told = {(need, act): value for need, *values in rows for act, value in zip(ACTS, values, strict=True)}
    gold = TABLES[table]
    marks = dict.fromkeys(gold.held_out, "*") | dict.fromkeys(gold.held_back, "°")
    known = {
        (need, act): f"{effect:+d}" + marks.get((need, act), "")
        for need in NEEDS
        for act, effect in gold.effects[need].items()
    }
    assert told == known


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
    assert LEANING.weight_of(need, act, fragility) == weight


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
        assert row.consequence.weight == gold.weight == LEANING.weight_of(gold.need, gold.act, gold.fragility)


def test_exactly_the_closing_answers_are_revised(cases: dict[Split, list[Case]]) -> None:
    assert all((row.revised is not None) == (gold.valence < 0) for row, gold in cases["train"])


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("field", ["response", "input", "both"])
def test_in_the_balanced_world_a_bag_of_words_stands_at_chance(
    balanced: dict[Split, list[Case]], field: str, split: Split
) -> None:
    accuracy = bag_of_words_accuracy(balanced["train"], balanced[split], field=field)
    assert accuracy == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("of", ["valence", "strength within a valence"])
def test_in_the_woven_world_a_bag_of_words_stands_at_chance(
    woven: dict[Split, list[Case]], of: str, split: Split
) -> None:
    if of == "valence":
        accuracy = bag_of_words_accuracy(woven["train"], woven[split], field="both")
    else:
        train, held = ([case for case in woven[part] if is_strength_told(case)] for part in ("train", split))
        accuracy = bag_of_words_accuracy(train, held, field="both", label=lambda gold: abs(gold.weight) * 2 - 3)
    assert accuracy == pytest.approx(0.5, abs=0.035)


def test_scenes_of_the_woven_world_tell_what_was_wanted_and_what_was_given(woven: dict[Split, list[Case]]) -> None:
    weave = WOVEN.weave
    assert weave is not None
    for row, gold in woven["train"][:1000]:
        wanted, given = weave.needs[gold.need], weave.acts[gold.act]
        assert f"{text.WANTED[wanted.way]} {text.ABOUT[wanted.about]}" in (row.consequence.who or "")
        first, then = row.consequence.impact.split(". ", 1)
        assert first.startswith("It moved" if given.way == 1 else "It held")
        assert first.endswith(text.ABOUT[given.about])
        assert not any(word in then for word in ("moved", "held", "matter", "heart"))
        depth = text.DEPTH[abs(WOVEN.effects[gold.need][gold.act])]
        assert then.endswith(depth) if gold.weight else not then.endswith(tuple(text.DEPTH.values()))


def test_revisions_of_the_woven_world_take_up_what_the_scene_says_was_wanted(woven: dict[Split, list[Case]]) -> None:
    for row, _ in woven["train"][:1000]:
        if row.revised is not None:
            wanted = str(row.consequence.who).rsplit(", who wanted to be ", 1)[1]
            assert f"You want to be {wanted}" in row.revised
            assert wanted not in row.response


def test_in_the_woven_world_some_train_situations_alone_do_not_tell_what_is_wanted(
    woven: dict[Split, list[Case]], balanced: dict[Split, list[Case]]
) -> None:
    untold = re.compile("|".join(re.sub(r"\\\{\w+\\\}", ".+", re.escape(template)) for template in text.UNTOLD))

    def share(cases: list[Case]) -> float:
        return sum(untold.search(str(row.input)) is not None for row, _ in cases) / len(cases)

    assert share(woven["train"]) == pytest.approx(0.4, abs=0.03)
    assert share(woven["validation"]) == share(woven["test"]) == share(balanced["train"]) == 0


def test_unseen_cells_appear_in_their_own_split_alone(
    balanced: dict[Split, list[Case]], woven: dict[Split, list[Case]]
) -> None:
    for table, told in ((BALANCED, balanced), (WOVEN, woven)):
        unseen: dict[Split, Collection[Cell]] = {"train": (), "validation": table.held_back, "test": table.held_out}
        for split in SPLITS:
            occurring = {(gold.need, gold.act) for _, gold in told[split]}
            assert occurring == table.shown | set(unseen[split])
            assert all(gold.is_cell_seen == ((gold.need, gold.act) in table.shown) for _, gold in told[split])
        test = [gold for _, gold in told["test"]]
        assert sum(gold.is_cell_seen for gold in test) / len(test) == pytest.approx(0.5, abs=0.05)


def test_revisions_of_the_train_split_stay_in_shown_cells(balanced: dict[Split, list[Case]]) -> None:
    starts = {act: [first_words(line) for line in stock.answers] for act, stock in text.ACTS.items()}
    for row, gold in balanced["train"]:
        said = [act for act, lines in starts.items() if any(line in (row.revised or "").lower() for line in lines)]
        if len(said) == 1:
            assert (gold.need, said[0]) in BALANCED.shown, row.revised


@EACH_TABLE
@pytest.mark.parametrize("split", SPLITS)
def test_siblings_differ_in_the_act_alone_and_come_in_two_valences(split: Split, table: TableName) -> None:
    for siblings in World(5, table=table).siblings(split=split, count=200):
        assert len({(row.input, row.situation_id) for row, _ in siblings}) == 1
        assert len({gold.act for _, gold in siblings}) == 4
        effects = [TABLES[table].effects[gold.need][gold.act] for _, gold in siblings]
        assert [effect > 0 for effect in effects] == [True, True, False, False]
        traced = [case for case in siblings if case.gold.valence]
        scenes = {(row.consequence.impact, row.consequence.ripples) for row, _ in traced}
        told_apart = {gold.weight if TABLES[table].weave else gold.act for _, gold in traced}
        assert len(scenes) >= len(told_apart)


def test_siblings_begin_and_end_alike() -> None:
    for siblings in World(5).siblings(split="train", count=200):
        answers = [row.response for row, _ in siblings]
        assert len({longest(text.OPENERS, answer.startswith) for answer in answers}) == 1
        assert len({longest(text.CLOSERS, answer.endswith) for answer in answers}) == 1
        for answer, (_, gold) in zip(answers, siblings, strict=True):
            assert any(first_words(line) in answer.lower() for line in text.ACTS[gold.act].answers)


def test_a_bag_of_words_tells_the_act_and_little_more(cases: dict[Split, list[Case]]) -> None:
    """The cells that turn an act's effect round are what words alone cannot tell."""
    by_act = {act: sum(LEANING.effects[need][act] > 0 for need in NEEDS) > len(NEEDS) / 2 for act in ACTS}
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
            counts[BALANCED.effects[need][act] > 0, opened] += 1  # type: ignore[index]
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


def test_ten_thousand_rows_are_all_distinct() -> None:
    assert len({(row.input, row.response) for row in World(1).rows(split="train", count=10_000)}) == 10_000


def two_factors(table: Table) -> dict[Cell, float]:
    """What a model of rank two, fitted to the shown cells by least squares in turn, foresees for every cell."""
    effects = np.array([[table.effects[need][act] for act in ACTS] for need in NEEDS], dtype=float)
    shown = np.array([[(need, act) in table.shown for act in ACTS] for need in NEEDS])
    rng = np.random.default_rng(0)
    best = (math.inf, effects)
    for _ in range(4):
        left, right = rng.normal(size=(len(NEEDS), 2)), rng.normal(size=(len(ACTS), 2))
        for step in range(60):
            ridge = max(0.01, 0.8**step) * np.eye(2)
            for of, on, mask, known in ((left, right, shown, effects), (right, left, shown.T, effects.T)):
                for row, seen in enumerate(mask):
                    of[row] = np.linalg.solve(on[seen].T @ on[seen] + ridge, on[seen].T @ known[row, seen])
        foreseen = left @ right.T
        best = min(best, (float(((foreseen - effects)[shown] ** 2).mean()), foreseen), key=lambda fit: fit[0])
    return {(need, act): best[1][n, a] for n, need in enumerate(NEEDS) for a, act in enumerate(ACTS)}


def is_strength_told(case: Case) -> bool:
    """Whether the person is of ordinary fragility, in whom a strong effect weighs 2 and a weak one 1."""
    return case.gold.fragility == "ordinary"


def bag_of_words_accuracy(
    train: list[Case],
    held_out: list[Case],
    *,
    field: str = "response",
    label: Callable[[Gold], int] = lambda gold: gold.valence,
) -> float:
    def said(row: Row) -> set[str]:
        return words_of({"response": row.response, "input": row.input or ""}.get(field, f"{row.input} {row.response}"))

    counts = {valence: Counter[str]() for valence in (-1, 1)}
    for row, gold in train:
        if label(gold):
            counts[label(gold)].update(said(row))
    vocabulary = len(counts[-1] | counts[1])
    totals = {valence: counts[valence].total() + vocabulary for valence in counts}
    judged = [(row, gold) for row, gold in held_out if label(gold)]
    right = 0
    for row, gold in judged:
        score = sum(
            math.log((counts[1][word] + 1) / totals[1]) - math.log((counts[-1][word] + 1) / totals[-1])
            for word in said(row)
        )
        right += (score > 0) == (label(gold) > 0)
    return right / len(judged)


def longest(phrases: Sequence[str], fits: Callable[[str], bool]) -> str:
    return max((phrase for phrase in phrases if fits(phrase)), key=len, default="")


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
