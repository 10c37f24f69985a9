"""The audit itself: every measure over the same rows, then the verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from tear_training.audit.bars import Bars, judge
from tear_training.audit.coverage import count_answers, count_situations
from tear_training.audit.faults import situation_faults
from tear_training.audit.figures import Audit
from tear_training.rows import Row


def audit_rows(rows: Sequence[Row], bars: Bars, *, faults: Sequence[str] = ()) -> Audit:
    """Measure `rows` and judge them by `bars`; `faults` are those already found in their files.

    The order of the rows changes nothing.
    """
    # These bring scikit-learn and datasketch, which `tear data --help` should not wait for.
    from tear_training.audit.contamination import find_contamination
    from tear_training.audit.duplicates import find_duplicates
    from tear_training.audit.leaks import find_leaks
    from tear_training.audit.sound import find_style

    ordered = sorted(rows, key=lambda row: row.id)
    all_faults = (*faults, *situation_faults(ordered))
    situations = count_situations(ordered)
    answers = count_answers(ordered)
    duplicates = find_duplicates(ordered)
    leaks = find_leaks(ordered)
    style = find_style(ordered)
    verdicts = judge(
        bars,
        faults=all_faults,
        situations=situations,
        answers=answers,
        duplicates=duplicates,
        leaks=leaks,
        style=style,
    )
    return Audit(
        faults=all_faults,
        situations=situations,
        answers=answers,
        duplicates=duplicates,
        contamination=find_contamination(ordered),
        leaks=leaks,
        style=style,
        verdicts=verdicts,
    )
