"""The bars that a set must keep, and the verdict on each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tear_training.audit.coverage import WEIGHTS
from tear_training.audit.figures import Answers, Duplicates, Leak, Leaks, Relation, Situations, Style, Verdict
from tear_training.rows import UNSTATED

_NO_CULTURE = {UNSTATED, "unspecified"}
_KINDS = ("blunt but kind", "soft but wounding", "bad_news", "no", "mixed", "neutral", "crisis")


@dataclass(frozen=True, slots=True)
class Bars:
    """What a set is held to. Of the counts, those that are None are not asked for."""

    faults: int = 0
    duplicates_across_splits: int = 0
    leak_hard: float = 0.65
    leak_whole: float = 0.75
    question_gap: float = 10.0
    """Percentage points."""
    length_gap: float = 15.0
    """Percent."""
    situations: int | None = None
    """With four answers or more, of which two open and two close."""
    warmth: int | None = None
    repair: int | None = None
    weights: int | None = None
    """How many of the seven weights occur."""
    cultures: int | None = None
    """With at least `culture_situations` situations each."""
    culture_situations: int = 10
    turning: int | None = None
    """Situations in which an answer lands that has the opposite sign in another setting."""
    kind_answers: int | None = None
    """Of each kind: blunt but kind, soft but wounding, bad news, refusal, mixed, neutral, crisis."""
    hopeless_crises: int | None = None
    """Situations about a crisis without one answer that opens; a bar above, not below."""


CURATED = Bars(
    situations=150,
    warmth=60,
    repair=40,
    weights=7,
    cultures=8,
    culture_situations=10,
    turning=20,
    kind_answers=1,
    hopeless_crises=0,
)
"""Version 0.1 of the curated set."""


def judge(
    bars: Bars,
    *,
    faults: Sequence[str],
    situations: Situations,
    answers: Answers,
    duplicates: Duplicates,
    leaks: Leaks,
    style: Style,
) -> tuple[Verdict, ...]:
    """The verdict on every bar that is asked for, in order."""
    return (
        _at_most("schema faults", bars.faults, len(faults)),
        _duplicates(bars, answers=answers, duplicates=duplicates),
        _leak("naive Bayes on responses, hard split", bars.leak_hard, leaks.of("response", "hard")),
        _leak("naive Bayes on responses, whole set", bars.leak_whole, leaks.of("response", "whole")),
        _at_most("question mark gap, points", bars.question_gap, style.question_gap, why=style.why),
        _at_most("length gap, percent", bars.length_gap, style.length_gap, why=style.why),
        *_counts(bars, situations=situations, answers=answers),
    )


def _duplicates(bars: Bars, *, answers: Answers, duplicates: Duplicates) -> Verdict:
    why = None
    if sum(count > 0 for count in answers.by_split.values()) < 2:
        why = "the rows are not of two splits"
    elif set(answers.by_provenance) == {"procedural"}:
        why = "the procedural world has splits of its own, and tells its situations alike on purpose"
    elif not duplicates.across_splits and any(one.is_capped for one in duplicates.repeats):
        why = "there are too many similar texts to compare them all"
    value = None if why else duplicates.across_splits
    return _at_most("near-duplicates across splits", bars.duplicates_across_splits, value, why=why)


def _leak(name: str, bar: float, leak: Leak) -> Verdict:
    return _at_most(name, bar, None if leak.guess is None else leak.guess.value, why=leak.why)


def _counts(bars: Bars, *, situations: Situations, answers: Answers) -> Iterator[Verdict]:
    cultures = sum(
        count >= bars.culture_situations for name, count in situations.by_culture.items() if name not in _NO_CULTURE
    )
    wanted = [
        ("situations with 4 answers, 2 that open, 2 that close", bars.situations, situations.square),
        ("warmth situations", bars.warmth, situations.by_component["warmth"]),
        ("repair situations", bars.repair, situations.by_component["repair"]),
        ("different weights", bars.weights, sum(answers.by_weight[name] > 0 for name in WEIGHTS)),
        (f"cultures with {bars.culture_situations} situations", bars.cultures, cultures),
        ("situations where an answer turns its effect", bars.turning, situations.turning),
        *((f"answers: {kind}", bars.kind_answers, answers.by_manner[kind]) for kind in _KINDS),
    ]
    why = None if answers.total else "there are no rows"
    for name, bar, value in wanted:
        if bar is not None:
            yield _verdict(name, "at least", bar, None if why else value, why=why)
    if bars.hopeless_crises is not None:
        hopeless = sum(crisis.opens == 0 for crisis in situations.crises)
        yield _at_most(
            "crisis situations without an opening answer", bars.hopeless_crises, None if why else hopeless, why=why
        )


def _at_most(name: str, bar: float, value: float | None, *, why: str | None = None) -> Verdict:
    return _verdict(name, "at most", bar, value, why=why)


def _verdict(name: str, relation: Relation, bar: float, value: float | None, *, why: str | None) -> Verdict:
    if value is None:
        return Verdict(name=name, state="not measured", relation=relation, bar=bar, why=why)
    is_kept = value <= bar if relation == "at most" else value >= bar
    return Verdict(name=name, state="kept" if is_kept else "broken", relation=relation, bar=bar, value=value)
