"""What one field alone gives away of an answer's effect, read by a detector that only counts words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer  # type: ignore[import-untyped]
from sklearn.feature_selection import chi2  # type: ignore[import-untyped]
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold  # type: ignore[import-untyped]

from tear_training.audit.figures import Guess, Leak, LeakField, Leaks, Scope, Score, Tell
from tear_training.audit.signs import sign, signed, too_few
from tear_training.audit.words import WORD, normal, said_before, scene
from tear_training.rows import Row
from tear_training.splits import is_hard

MAX_ROWS = 20_000
"""A larger set is read by a sample of its families."""
FOLDS = 10
REPEATS = 5
"""Times that the folds are drawn anew: one draw moves the accuracy of a thousand rows by two points."""
STEADY_ROWS = 5_000
"""So many rows need only one draw."""
RESAMPLES = 1_000
TELLS = 20
TELL_ROWS = 5
"""A word that fewer answers hold tells nothing."""
SEED = 0

Reads: TypeAlias = Literal["words", "words and pairs"]
Flags: TypeAlias = NDArray[np.bool_]
Shares: TypeAlias = NDArray[np.float64]
Fold: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
Matrix: TypeAlias = Any  # scikit-learn has no types, and hands out one of scipy's sparse matrices

_FIELDS: Mapping[LeakField, Callable[[Row], str]] = {
    "response": lambda row: row.response,
    "consequence": scene,
    "input": said_before,
}
_NO_WORDS = "the texts hold no words"


def find_leaks(rows: Sequence[Row]) -> Leaks:
    """How well naive Bayes guesses opening from closing by response, by consequence and by input alone.

    Cross-validated by family with a fixed seed. The hard split is read by the same detectors, which learn from the
    whole set and are thus as strong as they can be.
    """
    judged = signed(rows)
    sample = _sample(judged)
    opens = np.array([sign(row) > 0 for row in sample], dtype=bool)
    scopes: dict[Scope, Flags] = {
        "whole": np.ones(len(sample), dtype=bool),
        "hard": np.array([is_hard(row) for row in sample], dtype=bool),
    }
    rounds = [] if too_few(sample) else _rounds(sample, opens)
    leaks: list[Leak] = []
    for field, text_of in _FIELDS.items():
        hits = _hits([text_of(row) for row in sample], opens, rounds=rounds)
        for scope, chosen in scopes.items():
            held = [row for row, is_in in zip(sample, chosen, strict=True) if is_in]
            held_hits = {reads: right[chosen] for reads, right in hits.items()}
            why = too_few(held) or (None if hits else _NO_WORDS)
            leaks.append(
                Leak(
                    field=field,
                    scope=scope,
                    rows=len(held),
                    families=len({row.family for row in held}),
                    guess=None if why else _best_guess(held, opens[chosen], held_hits),
                    why=why,
                )
            )
    return Leaks(
        leaks=tuple(leaks),
        tells=_tells([row.response for row in sample], opens),
        sampled_rows=len(sample) if len(sample) < len(judged) else None,
    )


def _sample(rows: Sequence[Row]) -> list[Row]:
    """All rows, or those of a seeded sample of families that holds about `MAX_ROWS`."""
    if len(rows) <= MAX_ROWS:
        return list(rows)
    families = sorted({row.family for row in rows})
    Random(SEED).shuffle(families)  # noqa: S311 - repeatable, not secret
    size: dict[str, int] = dict.fromkeys(families, 0)
    for row in rows:
        size[row.family] += 1
    kept: set[str] = set()
    room = MAX_ROWS
    for family in families:
        if size[family] <= room:
            kept.add(family)
            room -= size[family]
    return [row for row in rows if row.family in kept]


def _rounds(rows: Sequence[Row], opens: Flags) -> list[list[Fold]]:
    """Training and held-out rows of each fold of each draw.

    No family is divided, and sides are balanced where there are enough of both.
    """
    groups = np.array([row.family for row in rows])
    count = min(FOLDS, len(np.unique(groups)))
    rarer = min(int(opens.sum()), int((~opens).sum()))
    kind = StratifiedGroupKFold if rarer >= count else GroupKFold
    seeds = range(SEED, SEED + (REPEATS if len(rows) <= STEADY_ROWS else 1))
    return [list(kind(n_splits=count, shuffle=True, random_state=seed).split(opens, opens, groups)) for seed in seeds]


def _hits(texts: Sequence[str], opens: Flags, *, rounds: Sequence[Sequence[Fold]]) -> dict[Reads, Shares]:
    """How often each detector guesses each of N rows rightly when its family is held out; empty where none can."""
    if not rounds:
        return {}
    vectorizer = _vectorizer(pairs=True)
    try:
        counts: Matrix = vectorizer.fit_transform(texts).tocsr()
    except ValueError:  # raised when there is not one token
        return {}
    single = np.flatnonzero([" " not in token for token in vectorizer.get_feature_names_out()])
    return {
        "words": _hit_shares(counts[:, single], opens, rounds),
        "words and pairs": _hit_shares(counts, opens, rounds),
    }


def _vectorizer(*, pairs: bool) -> Any:
    """Counts words, `?` and `!`: a question mark is the first thing that gives a side away."""
    return CountVectorizer(preprocessor=normal, token_pattern=f"{WORD}|[?!]", ngram_range=(1, 2 if pairs else 1))


def _hit_shares(counts: Matrix, opens: Flags, rounds: Sequence[Sequence[Fold]]) -> Shares:
    sides = np.stack([~opens, opens]).astype(np.float64)
    of_side: Shares = sides @ counts  # how often each side says each word
    hits = np.zeros(len(opens))
    for folds in rounds:
        for _, held in folds:
            held_counts, held_sides = counts[held], sides[:, held]
            log_odds = _naive_bayes(of_side - held_sides @ held_counts, sides.sum(axis=1) - held_sides.sum(axis=1))
            hits[held] += (held_counts @ log_odds.words + log_odds.prior > 0) == opens[held]
    return hits / len(rounds)


class _LogOdds(NamedTuple):
    words: Shares
    """(words,): what one more of each adds."""
    prior: float


def _naive_bayes(of_side: Shares, rows: Shares) -> _LogOdds:
    """Multinomial naive Bayes with one added to each count, from the words (2, words) and rows (2,) of both sides.

    Written out, since the counts of a fold are those of all rows less the fold's own: scikit-learn's takes ten times
    as long, most of it to look at labels.
    """
    # A word unknown in training would say something: smoothing makes it point to the side with fewer words.
    known = of_side.sum(axis=0) > 0
    smoothed = np.where(known, of_side + 1, 0)
    shares = np.log(np.where(known, smoothed, 1)) - np.log(smoothed.sum(axis=1, keepdims=True))
    with np.errstate(divide="ignore"):  # a side that training has not seen is never guessed
        prior = np.log(rows[1]) - np.log(rows[0])
    return _LogOdds(np.where(known, shares[1] - shares[0], 0), float(prior))


def _best_guess(rows: Sequence[Row], opens: Flags, hits: Mapping[Reads, Shares]) -> Guess:
    """The guess of the better detector, so that a set is not flattered by the worse one."""
    majority = max(float(opens.mean()), float((~opens).mean()))
    guesses: list[Guess] = []
    for reads, right in hits.items():
        accuracy, balanced = _scores(rows, opens, right)
        guesses.append(Guess(accuracy=accuracy, balanced=balanced, majority=majority, reads=reads))
    return max(guesses, key=lambda guess: guess.value)


def _scores(rows: Sequence[Row], opens: Flags, right: Shares) -> tuple[Score, Score]:
    """Accuracy and balanced accuracy of N guesses, with intervals over resampled families."""
    _, family = np.unique([row.family for row in rows], return_inverse=True)
    columns = (right * opens, opens, right * ~opens, ~opens)
    # (families, 4): right and all of the opening rows, right and all of the closing ones.
    table: Shares = np.stack([np.bincount(family, weights=column) for column in columns], axis=1).astype(np.float64)
    rng = np.random.default_rng(SEED)
    size = len(table)
    draws = (np.bincount(rng.integers(size, size=size), minlength=size) for _ in range(RESAMPLES))
    resampled = np.stack([drawn @ table for drawn in draws])
    return _score(_accuracy, table, resampled), _score(_balanced, table, resampled)


def _score(measure: Callable[[Shares], Shares], table: Shares, resampled: Shares) -> Score:
    low, high = np.percentile(measure(resampled), [2.5, 97.5])
    return Score(value=float(measure(table.sum(axis=0, keepdims=True))[0]), low=float(low), high=float(high))


def _accuracy(sums: Shares) -> Shares:
    right: Shares = (sums[:, 0] + sums[:, 2]) / (sums[:, 1] + sums[:, 3])
    return right


def _balanced(sums: Shares) -> Shares:
    """Mean of both sides' accuracies, or the accuracy of the only side that a resample happens to hold."""
    right, rows = sums[:, [0, 2]], sums[:, [1, 3]]
    held = rows > 0
    sides = np.divide(right, rows, out=np.zeros_like(right), where=held)
    mean: Shares = sides.sum(axis=1) / held.sum(axis=1)
    return mean


def _tells(texts: Sequence[str], opens: Flags) -> tuple[Tell, ...]:
    """The words whose presence depends most on the side (chi-squared), to know what to turn round."""
    if opens.all() or not opens.any():
        return ()
    vectorizer = _vectorizer(pairs=False)
    try:
        holds: Matrix = vectorizer.fit_transform(texts).sign()
    except ValueError:  # raised when there is not one token
        return ()
    names = vectorizer.get_feature_names_out()
    opening, closing = (np.asarray(holds[np.flatnonzero(side)].sum(axis=0)).ravel() for side in (opens, ~opens))
    dependence, _ = chi2(holds, opens)
    common = [number for number in range(len(names)) if opening[number] + closing[number] >= TELL_ROWS]
    common.sort(key=lambda number: (-dependence[number], names[number]))
    return tuple(Tell(word=names[n], opens=int(opening[n]), closes=int(closing[n])) for n in common[:TELLS])
