from __future__ import annotations

from itertools import product

import pytest
from spelling import spell

from tear_chain.parser import WitnessParser
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Field, Problem, Scene

WHOLE = ("<who>", " a beginner", "<impact>", " She stops.", "<ripples>", " Silence.", "<weight>", "<w-2>", "<revise>")
SCENE = Scene(" a beginner", " She stops.", " Silence.", -2)


@pytest.fixture
def parser(tokenizer: ChainTokenizer) -> WitnessParser:
    return fresh(tokenizer)


def fresh(tokenizer: ChainTokenizer) -> WitnessParser:
    return WitnessParser(tokenizer.chain, control_ids=tokenizer.control_ids, new_decoder=tokenizer.decoder)


def feed(parser: WitnessParser, ids: list[int]) -> dict[Field, str]:
    """Feed all; the texts that were handed out, by field."""
    said: dict[Field, str] = {}
    for token in ids:
        if (new := parser.feed(token)) is not None:
            said[new.field] = said.get(new.field, "") + new.text
    return said


def test_a_whole_scene_has_no_problems(tokenizer: ChainTokenizer, parser: WitnessParser) -> None:
    feed(parser, spell(tokenizer, *WHOLE))
    assert (parser.finish(cut=False), parser.decision, parser.problems) == (SCENE, Decision.REVISE, [])


@pytest.mark.parametrize(
    ("written", "scene", "problems"),
    [
        ((), Scene(), ["missing_who", "missing_impact", "missing_ripples", "missing_weight", "missing_decision"]),
        (("<weight>", "<w+1>", "<keep>"), Scene(weight=1), ["missing_who", "missing_impact", "missing_ripples"]),
        ((*WHOLE[2:],), Scene(None, " She stops.", " Silence.", -2), ["missing_who"]),
        ((*WHOLE[:2], *WHOLE[4:]), Scene(" a beginner", None, " Silence.", -2), ["missing_impact"]),
        ((*WHOLE[:4], *WHOLE[6:]), Scene(" a beginner", " She stops.", None, -2), ["missing_ripples"]),
        ((*WHOLE[:6], "<revise>"), Scene(" a beginner", " She stops.", " Silence."), ["missing_weight"]),
        ((*WHOLE[:7], "<revise>"), Scene(" a beginner", " She stops.", " Silence."), ["missing_weight"]),
        (WHOLE[:8], SCENE, ["missing_decision"]),
        (("<who>", " \n", *WHOLE[2:]), Scene(None, " She stops.", " Silence.", -2), ["missing_who"]),
        (("<who>", *WHOLE[2:]), Scene(None, " She stops.", " Silence.", -2), ["missing_who"]),
        ((*WHOLE[:2], "<who>", " another", *WHOLE[2:]), SCENE, ["out_of_order"]),
        ((*WHOLE[:4], "<who>", " too late", *WHOLE[4:]), SCENE, ["out_of_order"]),
        ((*WHOLE[:8], "<impact>", " too late", "<revise>"), SCENE, ["out_of_order"]),
        ((*WHOLE[:8], "<w+3>", "<revise>"), SCENE, ["out_of_order"]),
        ((*WHOLE[:8], "<weight>", "<w+3>", "<revise>"), SCENE, ["out_of_order"]),
        ((*WHOLE[:2], "<w+3>", *WHOLE[2:]), SCENE, ["out_of_order"]),
        (("well, ", *WHOLE), SCENE, ["out_of_order"]),
        ((*WHOLE[:7], "heavy", *WHOLE[7:]), SCENE, ["out_of_order"]),
        ((*WHOLE[:8], "and so", "<revise>"), SCENE, ["out_of_order"]),
        ((*WHOLE[:2], "</s>", *WHOLE[2:]), SCENE, ["stray_token"]),
        (("<draft>", "<witness>", *WHOLE), SCENE, ["stray_token"]),
        ((*WHOLE[:8], "</s>"), SCENE, ["stray_token", "missing_decision"]),
        (("x", "<w+1>", "<draft>", *WHOLE[:8], "<w-1>"), SCENE, ["out_of_order", "stray_token", "missing_decision"]),
    ],
    ids=[
        *("nothing", "weight-alone", "no-who", "no-impact", "no-ripples", "no-weight", "weight-without-value"),
        *("no-decision", "blank-who", "empty-who", "doubled-field", "late-field", "field-after-weight"),
        *("two-values", "doubled-weight", "value-in-a-text", "text-first", "text-for-a-weight", "text-after-weight"),
        *("end-inside", "nested-chain", "end-for-a-decision", "everything"),
    ],
)
def test_what_is_wrong_is_left_out_and_named(
    tokenizer: ChainTokenizer, parser: WitnessParser, written: tuple[str, ...], scene: Scene, problems: list[str]
) -> None:
    feed(parser, spell(tokenizer, *written))
    assert parser.finish(cut=False) == scene
    assert parser.problems == problems


def test_text_is_handed_out_as_it_comes_and_adds_up_to_the_scene(
    tokenizer: ChainTokenizer, parser: WitnessParser
) -> None:
    ids = spell(
        tokenizer, "<who>", " 👩‍👩‍👧‍👦 漢字", "<impact>", " é 🏳️‍🌈", "<ripples>", " later", "<weight>", "<w+0>", "<keep>"
    )
    said = feed(parser, ids)
    scene = parser.finish(cut=False)
    assert said == {Field.WHO: scene.who, Field.IMPACT: scene.impact, Field.RIPPLES: scene.ripples}
    assert (scene.who, scene.impact) == (" 👩‍👩‍👧‍👦 漢字", " é 🏳️‍🌈")


def test_nothing_is_handed_out_for_half_a_character(tokenizer: ChainTokenizer, parser: WitnessParser) -> None:
    emoji = spell(tokenizer, "👍")
    assert len(emoji) > 1
    assert feed(parser, [*spell(tokenizer, "<who>"), *emoji[:-1]]) == {}


def test_half_a_character_at_the_end_of_a_field_does_not_leak_into_the_next(
    tokenizer: ChainTokenizer, parser: WitnessParser
) -> None:
    half = spell(tokenizer, "👍")[:-1]
    feed(parser, [*spell(tokenizer, "<who>", " a"), *half, *spell(tokenizer, "<impact>", "b")])
    scene = parser.finish(cut=True)
    assert (scene.who, scene.impact) == (" a", "b")


def test_a_cut_at_any_place_keeps_what_was_told_and_says_so(tokenizer: ChainTokenizer) -> None:
    ids = spell(tokenizer, *WHOLE)
    for stop in range(len(ids)):
        parser = fresh(tokenizer)
        feed(parser, ids[:stop])
        scene = parser.finish(cut=True)
        assert Problem.CUT_WITNESS in parser.problems, stop
        assert Problem.MISSING_DECISION not in parser.problems, stop
        for field in ("who", "impact", "ripples"):
            assert getattr(SCENE, field).startswith(getattr(scene, field) or ""), (stop, field)


def test_a_decision_on_the_last_token_allowed_is_no_cut(tokenizer: ChainTokenizer, parser: WitnessParser) -> None:
    feed(parser, spell(tokenizer, *WHOLE))
    parser.finish(cut=True)
    assert parser.problems == []


def test_no_sequence_of_tokens_breaks_it(tokenizer: ChainTokenizer) -> None:
    alphabet = spell(tokenizer, "<who>", "<ripples>", "<weight>", "<w-1>", "<keep>", "</s>", "a")
    alphabet.append(spell(tokenizer, "👍")[0])
    for written in product(alphabet, repeat=4):
        parser = fresh(tokenizer)
        said = feed(parser, list(written))
        scene = parser.finish(cut=False)
        # Four tokens never tell a whole scene, so something must have been named.
        assert parser.problems, written
        assert len(parser.problems) == len(set(parser.problems)), written
        assert (scene.who or "", scene.ripples or "") == (said.get(Field.WHO, ""), said.get(Field.RIPPLES, "")), written
