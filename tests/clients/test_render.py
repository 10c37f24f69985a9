from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace

import pytest
from rich.console import Console

from tear_chain.events import Completed, Event, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.words import Decision, Field, Outcome, Problem, Reflection, Scene, Stage, StageReport, Status
from tear_client.phrases import signed
from tear_client.plain import PlainView
from tear_client.progress import Progress, replay
from tear_client.render import LiveView, ReflectionPicture, weight_scale
from tear_client.safetext import clean, escape_json

DRAFT = "Maybe piano is not for you."
ANSWER = "Your ears are ahead of your hands.\n\nPlay four bars you love."
SCENE = Scene("Someone who practised.", "They close the lid.", "They never sing again.", -2)
REVISED = Reflection(
    id="rfl_1",
    model="tear-nano",
    adapter="nano",
    status=Status.COMPLETE,
    outcome=Outcome.REVISED,
    problems=(),
    draft=DRAFT,
    witness=SCENE,
    expected_weight=-1.7,
    decision=Decision.REVISE,
    revise_probability=0.93,
    answer=ANSWER,
    answer_cut=False,
    stages=(),
)
KEPT = replace(
    REVISED,
    outcome=Outcome.KEPT,
    draft=ANSWER,
    witness=Scene("A person.", "They smile.", None, 2),
    expected_weight=1.6,
    decision=Decision.KEEP,
    revise_probability=0.07,
)
BYPASSED = replace(
    REVISED,
    status=Status.BYPASSED,
    outcome=Outcome.BYPASSED,
    draft=ANSWER,
    witness=None,
    expected_weight=None,
    decision=None,
    revise_probability=None,
)
MALFORMED = replace(
    BYPASSED,
    status=Status.MALFORMED,
    outcome=Outcome.MALFORMED,
    witness=Scene(who="A person."),
    problems=(Problem.MISSING_WEIGHT, Problem.MISSING_DECISION),
)
HOSTILE = "[bold]boo[/] :smile: \x1b[31m \x1b]0;t\x07 \x9b2J \u202eX\nanswer: forged\r\ndecision: keep\rweight: 3"

REVISED_LINES = """\
draft: Maybe piano is not for you.
who: Someone who practised.
impact: They close the lid.
ripples: They never sing again.
weight: -2 (expected -1.7)
decision: revise (p=0.93)
answer: Your ears are ahead of your hands.

  Play four bars you love.
"""


def plain(events: Iterable[Event], *, direct: bool = False) -> str:
    out = io.StringIO()
    view = PlainView(out, direct=direct)
    for event in events:
        view.take(event)
    view.close()
    return out.getvalue()


def picture(reflection: Reflection, width: int = 80) -> str:
    progress = Progress()
    for event in replay(reflection):
        progress.take(event)
    return drawn(ReflectionPicture(progress), width)


def drawn(picture: ReflectionPicture, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(picture)
    return capture.get()


def letters(events: Iterable[Event]) -> Iterable[Event]:
    """The same events with every text in single letters."""
    for event in events:
        if isinstance(event, TextDelta):
            yield from (replace(event, text=letter) for letter in event.text)
        else:
            yield event


def test_plain_lines_are_labelled() -> None:
    assert plain(replay(REVISED)) == REVISED_LINES


def test_plain_lines_do_not_depend_on_how_the_text_was_cut() -> None:
    assert plain(letters(replay(REVISED))) == REVISED_LINES


def test_white_space_around_a_text_is_not_shown() -> None:
    padded = replace(REVISED, draft=f"\n {DRAFT} \n", answer=f" {ANSWER}\n\n")
    assert plain(letters(replay(padded))) == REVISED_LINES


def test_a_kept_draft_is_repeated_as_the_answer() -> None:
    lines = plain(replay(KEPT)).splitlines()
    assert "weight: +2 (expected +1.6)" in lines
    assert "decision: keep (p=0.93)" in lines
    assert "answer: Your ears are ahead of your hands." in lines


@pytest.mark.parametrize("direct", [True, False], ids=["known to be direct", "not known"])
def test_a_bypassed_answer_is_called_answer(direct: bool) -> None:
    lines = plain(replay(BYPASSED), direct=direct)
    assert lines.count("answer: ") == 1
    assert lines.endswith("status: bypassed\n")


def test_a_malformed_reflection_says_what_is_missing() -> None:
    assert plain(replay(MALFORMED)).endswith("status: malformed (missing_weight, missing_decision)\n")


def test_a_supplied_draft_is_shown_though_nobody_wrote_it() -> None:
    report = StageReport(
        Stage.DRAFT, tokens=0, prompt_tokens=9, cached_tokens=0, first_token_seconds=None, seconds=0, finish="supplied"
    )
    events = [StageStarted(Stage.DRAFT), StageCompleted(report, DRAFT), *list(replay(REVISED))[1:]]
    assert plain(events) == REVISED_LINES


def test_an_answer_that_fell_back_to_the_draft_is_the_last_one_told() -> None:
    fallen = replace(REVISED, answer=DRAFT, status=Status.MALFORMED, problems=(Problem.EMPTY_REVISION,))
    events = [*list(replay(REVISED))[:-2], TextDelta(Stage.REVISED, None, " "), Completed(fallen)]
    assert plain(events).endswith(f"answer: {DRAFT}\nstatus: malformed (empty_revision)\n")


def test_no_text_can_pose_as_a_line_of_the_view() -> None:
    hostile = replace(REVISED, draft=HOSTILE, witness=Scene(HOSTILE, HOSTILE, HOSTILE, -3), answer=HOSTILE)
    lines = plain(letters(replay(hostile))).splitlines()
    labels = [line.partition(":")[0] for line in lines if not line.startswith("  ")]
    assert labels == ["draft", "who", "impact", "ripples", "weight", "decision", "answer"]


@pytest.mark.parametrize("show", [lambda r: plain(replay(r)), picture], ids=["plain", "picture"])
def test_no_control_character_reaches_the_terminal(show: object) -> None:
    hostile = replace(
        REVISED, draft=HOSTILE, witness=Scene(HOSTILE, HOSTILE, HOSTILE, -3), answer=HOSTILE, model="m\x1b[0m"
    )
    assert callable(show)
    shown = show(hostile)
    assert not [c for c in shown if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c == "\u202e")]
    assert "[bold]boo[/] :smile:" in shown


def test_json_keeps_its_value_when_it_is_made_safe() -> None:
    assert escape_json('"a\x7f\x9b\u202e漢"') == '"a\\u007f\\u009b\\u202e漢"'


def test_line_breaks_of_every_kind_become_newlines() -> None:
    assert clean("a\r\nb\rc\u2028d\te") == "a\nb\nc\nd\te"


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(-2, 0, "-2"), (2, 0, "+2"), (0, 0, "0"), (-0.04, 1, "0.0"), (1.55, 1, "+1.6")]
)
def test_a_weight_has_its_sign(value: float, digits: int, text: str) -> None:
    assert signed(value, digits) == text


@pytest.mark.parametrize(
    ("weight", "expected", "scale"),
    [
        (-3, None, "−3 ●━━━━━━━━━━━┼──────────── +3"),
        (-2, -1.7, "−3 ────●◆━━━━━━┼──────────── +3"),
        (0, None, "−3 ────────────●──────────── +3"),
        (1, 1.0, "−3 ────────────┼━━━●──────── +3"),
        (3, 2.0, "−3 ────────────┼━━━━━━━◆━━━● +3"),
        (3, 9.0, "−3 ────────────┼━━━━━━━━━━━● +3"),
    ],
)
def test_the_weight_lies_where_it_belongs(weight: int, expected: float | None, scale: str) -> None:
    assert weight_scale(weight, expected).plain == scale


def test_the_scale_can_be_drawn_in_ascii() -> None:
    assert weight_scale(-2, -1.7, plain=True).plain.isascii()


def test_the_picture_tells_all_of_a_reflection() -> None:
    shown = picture(REVISED)
    for part in (DRAFT, "Someone who practised.", "They close the lid.", "−2 closes", "expected −1.7"):
        assert part in shown
    assert "revise, probability 0.93" in shown
    assert shown.index("draft") < shown.index("witness") < shown.index("answer") < shown.index("Your ears")


def test_the_picture_shows_a_kept_draft_once() -> None:
    shown = picture(KEPT)
    assert shown.count("Your ears are ahead") == 1
    assert "the draft as it was" in shown


def test_the_picture_says_what_went_wrong() -> None:
    assert "missing weight, missing decision" in picture(MALFORMED)
    assert "cut at its token limit" in picture(replace(REVISED, answer_cut=True))


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_picture_fits_every_width(width: int) -> None:
    assert max(map(len, picture(REVISED, width).splitlines())) <= min(width, 92)


@pytest.mark.parametrize("reached", range(len(list(letters(replay(REVISED))))), ids=str)
def test_every_moment_of_a_reflection_can_be_drawn(reached: int) -> None:
    progress = Progress()
    for event in [StageStarted(Stage.DRAFT), *letters(replay(REVISED))][: reached + 1]:
        progress.take(event)
    assert drawn(ReflectionPicture(progress, live=True))


def test_before_anything_came_it_says_that_it_waits() -> None:
    assert "waiting" in drawn(ReflectionPicture(Progress(), live=True))


def test_progress_is_the_fold_of_the_events() -> None:
    progress = Progress()
    *before, last = letters(replay(REVISED))
    for event in before:
        progress.take(event)
    assert (progress.draft, progress.told[Field.WHO], progress.answer) == (DRAFT, SCENE.who, ANSWER)
    assert isinstance(progress.witnessed, Witnessed)
    progress.take(last)
    assert progress.reflection == REVISED


def test_the_live_view_leaves_the_whole_reflection_behind_whatever_the_screen_holds() -> None:
    out = io.StringIO()
    console = Console(file=out, width=60, height=8, force_terminal=True, color_system=None, legacy_windows=False)
    with LiveView(console) as view:
        for event in replay(replace(REVISED, answer="\n".join(f"line {n}" for n in range(30)))):
            view.take(event)
    left = out.getvalue().rpartition("\x1b[2K")[2]
    assert all(f"line {n} " in left for n in range(30))


def test_the_live_view_leaves_nothing_where_nothing_came() -> None:
    out = io.StringIO()
    with LiveView(Console(file=out, width=60, height=8, force_terminal=True, color_system=None, legacy_windows=False)):
        pass
    assert "answer" not in out.getvalue()
