from __future__ import annotations

import pytest

from tear_chain.events import Completed, Event, Failed, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.words import Decision, Field, Outcome, Reflection, Scene, Stage, StageReport, Status
from tear_server.api.exposure import ALL, Part
from tear_server.api.narrator import Narrator


def report(stage: Stage, *, finish: str = "stop") -> StageReport:
    return StageReport(stage, 1, 1, 0, 0.1, 0.2, finish)


def completed(answer: str) -> Completed:
    return Completed(
        Reflection(
            id="refl-1",
            model="tear-nano",
            adapter=None,
            status=Status.COMPLETE,
            outcome=Outcome.KEPT,
            problems=(),
            draft="A draft",
            witness=None,
            expected_weight=None,
            decision=None,
            revise_probability=None,
            answer=answer,
            answer_cut=False,
            stages=(report(Stage.DRAFT),),
        )
    )


DRAFT: list[Event] = [
    StageStarted(Stage.DRAFT),
    TextDelta(Stage.DRAFT, None, "A "),
    TextDelta(Stage.DRAFT, None, "draft"),
    StageCompleted(report(Stage.DRAFT), "A draft"),
]
SUPPLIED: list[Event] = [StageCompleted(report(Stage.DRAFT, finish="supplied"), "A draft")]
WITNESS: list[Event] = [
    StageStarted(Stage.WITNESS),
    TextDelta(Stage.WITNESS, Field.WHO, " you"),
    TextDelta(Stage.WITNESS, Field.WHO, "!"),
    TextDelta(Stage.WITNESS, Field.IMPACT, " joy"),
    StageCompleted(report(Stage.WITNESS), ""),
]
KEEP: list[Event] = [Witnessed(Scene(weight=2), 1.66, Decision.KEEP, 0.071), completed("A draft")]


def revise(*parts: str, answer: str) -> list[Event]:
    return [
        Witnessed(Scene(weight=-2), -1.7, Decision.REVISE, 0.93),
        StageStarted(Stage.REVISED),
        *(TextDelta(Stage.REVISED, None, part) for part in parts),
        StageCompleted(report(Stage.REVISED), "".join(parts)),
        completed(answer),
    ]


def told(events: list[Event], *, reflects: bool = True) -> tuple[str, str]:
    """All reasoning and all content."""
    narrator = Narrator(reflects=reflects)
    tellings = [narrator.tell(event) for event in events]
    return "".join(each.reasoning for each in tellings), "".join(each.content for each in tellings)


def test_a_kept_chain_is_told_from_draft_to_decision() -> None:
    assert told([*DRAFT, *WITNESS, *KEEP]) == (
        "Draft: A draft\nWho:  you!\nImpact:  joy\nWeight: +2 (expected +1.7)\nDecision: keep (revise 0.07)\n",
        "A draft",
    )


def test_a_revised_chain_is_told_with_the_revision_alone_as_content() -> None:
    reasoning, content = told([*DRAFT, *WITNESS, *revise("A ", "kinder one", answer="A kinder one")])
    assert reasoning.endswith("\nWeight: -2 (expected -1.7)\nDecision: revise (revise 0.93)\n")
    assert content == "A kinder one"


def test_a_supplied_draft_is_told_like_a_written_one() -> None:
    assert told([*SUPPLIED, *WITNESS, *KEEP]) == told([*DRAFT, *WITNESS, *KEEP])


def test_an_answer_without_reflection_has_no_reasoning() -> None:
    assert told([*DRAFT, completed("A draft")], reflects=False) == ("", "A draft")


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        (["Kind"], "Kind"),
        (["\n", " ", "Kind", " words "], "\n Kind words "),
        ([], "A draft"),
        ([" ", "\n"], "A draft"),
    ],
    ids=["words", "blank-then-words", "empty", "blank"],
)
def test_content_is_the_answer_and_nothing_else(parts: list[str], answer: str) -> None:
    assert told([*DRAFT, *WITNESS, *revise(*parts, answer=answer)])[1] == answer


def test_content_comes_as_it_is_written_once_there_is_a_word() -> None:
    narrator = Narrator(reflects=True)
    parts = [TextDelta(Stage.REVISED, None, text) for text in (" ", "A", " ", "b")]
    assert [narrator.tell(part).content for part in parts] == ["", " A", " ", "b"]


def test_nothing_of_a_draft_is_content_before_its_decision() -> None:
    narrator = Narrator(reflects=True)
    assert [narrator.tell(event).content for event in [*DRAFT, *WITNESS, KEEP[0]]] == [""] * 10


def test_one_telling_never_has_both_channels() -> None:
    for events in ([*DRAFT, *WITNESS, *KEEP], [*SUPPLIED, *WITNESS, *revise("Kind", answer="Kind")]):
        narrator = Narrator(reflects=True)
        tellings = [narrator.tell(event) for event in events]
        assert [each for each in tellings if each.reasoning and each.content] == []


def test_a_verdict_says_only_what_is_known() -> None:
    said = told([*DRAFT, Witnessed(Scene(), None, Decision.KEEP, None)])
    assert said == ("Draft: A draft\nDecision: keep\n", "")


@pytest.mark.parametrize(
    ("shown", "reasoning"),
    [
        (ALL, "Draft: A draft\nWho:  you!\nImpact:  joy\nWeight: +2 (expected +1.7)\nDecision: keep (revise 0.07)\n"),
        ({Part.DRAFT}, "Draft: A draft\nDecision: keep (revise 0.07)\n"),
        ({Part.WITNESS}, "Who:  you!\nImpact:  joy\nWeight: +2 (expected +1.7)\nDecision: keep (revise 0.07)\n"),
        (set(), ""),
    ],
    ids=["all", "draft", "witness", "nothing"],
)
@pytest.mark.parametrize("draft", [DRAFT, SUPPLIED], ids=["own", "supplied"])
def test_only_what_is_shown_is_told_and_the_answer_in_any_case(
    draft: list[Event], shown: set[Part], reasoning: str
) -> None:
    narrator = Narrator(reflects=True, shown=frozenset(shown))
    tellings = [narrator.tell(event) for event in [*draft, *WITNESS, *KEEP]]
    assert "".join(each.reasoning for each in tellings) == reasoning
    assert "".join(each.content for each in tellings) == "A draft"


def test_a_failure_adds_nothing() -> None:
    assert told([*DRAFT, Failed("engine_error", "It broke.")]) == ("Draft: A draft", "")
