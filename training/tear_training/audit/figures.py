"""What an audit finds, as figures: the one document that terminal, JSON and page show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tear_training.splits import DataSplit

Kind = Literal["input", "response", "scene"]
"""What near-duplicates are sought in, each kind by itself; revised answers stand among the responses."""
Side = Literal["opens", "closes"]
LeakField = Literal["response", "consequence", "input"]
Scope = Literal["whole", "hard"]
Relation = Literal["at most", "at least"]
State = Literal["kept", "broken", "not measured"]

# Rounded where it is made, so that a document read back equals the audit it was written from.
Figure = Annotated[float, AfterValidator(lambda value: round(value, 4))]


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Verdict(_Figures):
    """One bar and whether the data keeps it."""

    name: str
    state: State
    relation: Relation
    bar: Figure
    value: Figure | None = None
    why: str | None = None
    """Why it was not measured."""

    def sentence(self) -> str:
        """The verdict in words.

        >>> verdict.sentence()
        'length gap, percent: 21.4, broken (at most 15)'
        """
        if self.value is None:
            return f"{self.name}: not measured ({self.why})"
        return f"{self.name}: {self.value:g}, {self.state} ({self.relation} {self.bar:g})"


class Pair(_Figures):
    """Two texts that are nearly one."""

    kind: Kind
    jaccard: Figure
    first: str
    second: str
    """Ids of the rows."""
    first_split: DataSplit
    second_split: DataSplit
    first_text: str
    second_text: str


class Repeats(_Figures):
    """Pairs of near-duplicates in texts of one kind."""

    kind: Kind
    texts: int
    same_situation: int
    """Pairs of answers to one situation."""
    same_family: int
    """Pairs between settings of one family: one answer that lands in several places, which is intended."""
    other_family: int
    """Pairs between families of one split."""
    across_splits: int
    is_capped: bool = False
    """Whether there were too many candidates to look at all of them; the counts are then too low."""


class Duplicates(_Figures):
    """Near-duplicates: Jaccard of at least `threshold` on word 3-shingles."""

    threshold: Figure
    repeats: tuple[Repeats, ...]
    worst: tuple[Pair, ...]
    """The pairs between families, those across splits first."""

    @property
    def across_splits(self) -> int:
        """Pairs of all kinds whose rows are in different splits."""
        return sum(one.across_splits for one in self.repeats)


class Overlap(_Figures):
    """An evaluation row that shares word n-grams with training rows."""

    row: str
    split: DataSplit
    grams: int
    example: str
    train_row: str
    """Where the example stands in training."""


class Contamination(_Figures):
    """Evaluation rows whose response or scene shares a word n-gram with training rows."""

    gram_words: int
    evaluation_rows: int
    touched_rows: int
    share: Figure | None
    worst: tuple[Overlap, ...]


class Score(_Figures):
    """A share with its 95 % interval, bootstrapped over families."""

    value: Figure
    low: Figure
    high: Figure


class Guess(_Figures):
    """How well a naive Bayes that counts words tells opening from closing, on families it never saw."""

    accuracy: Score
    balanced: Score
    """Mean of the accuracies on either side: 0.5 is chance however many of each there are."""
    majority: Figure
    """What always saying the commoner side would score."""
    reads: Literal["words", "words and pairs"]
    """The better of the two detectors; the other scores less."""

    @property
    def value(self) -> float:
        """The larger of both accuracies: what a bar applies to."""
        return max(self.accuracy.value, self.balanced.value)


class Leak(_Figures):
    """What one field alone gives away."""

    field: LeakField
    scope: Scope
    rows: int
    families: int
    guess: Guess | None = None
    why: str | None = None
    """Why there is no guess."""


class Tell(_Figures):
    """A word that stands in answers of one side more than in those of the other."""

    word: str
    opens: int
    closes: int
    """Answers that hold it."""


class Leaks(_Figures):
    """What fields give away, and by which words."""

    leaks: tuple[Leak, ...]
    tells: tuple[Tell, ...]
    sampled_rows: int | None = None
    """How many rows a seeded sample of families holds, where the set was too large to read whole."""

    def of(self, field: LeakField, scope: Scope) -> Leak:
        """The leak of one field, over the whole set or the hard split."""
        return next(leak for leak in self.leaks if (leak.field, leak.scope) == (field, scope))


class Sound(_Figures):
    """How answers of one side sound."""

    side: Side
    rows: int
    question_share: Figure
    """Share with a question mark."""
    mean_words: Figure


class Style(_Figures):
    """How far opening and closing answers differ in sound."""

    opens: Sound
    closes: Sound
    question_gap: Figure | None = None
    """Percentage points."""
    length_gap: Figure | None = None
    """Percent by which the longer side's mean is above the shorter one's."""
    why: str | None = None
    """Why the gaps were not measured."""


class Cell(_Figures):
    """Rows of one component, difficulty and culture."""

    component: str
    difficulty: str
    culture: str
    rows: int


class Crisis(_Figures):
    """A situation about a crisis, and how many of its answers open."""

    situation: str
    answers: int
    opens: int


class Situations(_Figures):
    """Situations by what they hold."""

    total: int
    families: int
    answers_min: int
    answers_mean: Figure
    answers_max: int
    two_open: int
    """With two opening answers or more."""
    two_close: int
    square: int
    """With four answers or more, of which two open and two close."""
    turning: int
    """Where an answer lands that has the opposite sign, word for word, in another setting of the family."""
    turning_families: int
    multi_turn_warmth: int
    by_component: dict[str, int]
    by_culture: dict[str, int]
    crises: tuple[Crisis, ...]


class Answers(_Figures):
    """Rows by what they are."""

    total: int
    by_split: dict[DataSplit, int]
    hard: int
    by_weight: dict[str, int]
    """`-3` to `3`, and `none` where nobody judged."""
    by_manner: dict[str, int]
    """Sound against effect, and the kinds: `blunt but kind`, `soft but wounding`, `bad_news` …"""
    by_component: dict[str, int]
    by_difficulty: dict[str, int]
    by_license: dict[str, int]
    by_provenance: dict[str, int]
    by_generator: dict[str, int]
    reviewed_share: Figure | None
    """Share that a person reviewed."""
    cells: tuple[Cell, ...]


class Audit(_Figures):
    """Everything an audit measured, and its verdicts."""

    faults: tuple[str, ...]
    situations: Situations
    answers: Answers
    duplicates: Duplicates
    contamination: Contamination
    leaks: Leaks
    style: Style
    verdicts: Annotated[tuple[Verdict, ...], Field(min_length=1)]

    @property
    def broken(self) -> tuple[Verdict, ...]:
        """The bars that the data breaks."""
        return tuple(verdict for verdict in self.verdicts if verdict.state == "broken")

    @property
    def unmeasured(self) -> tuple[Verdict, ...]:
        """The bars of which nothing can be said."""
        return tuple(verdict for verdict in self.verdicts if verdict.state == "not measured")
