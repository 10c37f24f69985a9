"""What the model foresees, what it decides, where the chain goes wrong, and what came of it."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard
from panels import Curve, Panel, board, curves, heat, number

MODEL = 'model=~"$model"'
EACH = "$__rate_interval"
VERSION = "on (job, instance, replica, model) group_left (adapter) tear_adapter_info"
"""Adds the version that answered. `replica` is there only on Ray, and an absent label matches an absent one."""
BY_VERSION = "{{model}} {{adapter}}"
REFLECTED = 'outcome=~"kept|revised|formatted|malformed|truncated"'
"""Those that had a chain to go through and an answer at its end."""
REVISED, MALFORMED = 'outcome="revised"', 'outcome="malformed"'
REFLECTIVE = 'model!~".*-direct"'
CLOSING = 'le="-1.0"'


def witness_board() -> dashboard.Dashboard:
    """Witness behaviour, for each model and adapter version."""
    return board(
        "tear-witness",
        "The Tear: witness behaviour",
        "What the model foresees its drafts would do to a person, and what it makes of that.",
        model_of="tear_adapter_info, model",
        rows=[
            ("In the time shown", _figures()),
            ("What it foresees", _foreseen()),
            ("What it decides", _decided()),
            ("What revising does", _shifted()),
            ("Where the chain goes wrong", _wrong()),
            ("What people said came of it", _reported()),
        ],
    )


def _figures() -> list[Panel]:
    outcomes = f"sum(increase(tear_reflections_total{{{MODEL},%s}}[$__range]))"
    reflected = outcomes % REFLECTED
    return [
        number("Reflected answers", "Answers that went through the chain.", Curve(reflected, "reflected"), decimals=0),
        number(
            "Revised",
            "Share of reflected answers whose draft was taken back and written anew.",
            Curve(f"{outcomes % REVISED} / ({reflected} > 0)", "revised"),
            unit="percentunit",
        ),
        number(
            "Mean foreseen weight",
            "Mean weight of the drafts, from -3, which closes a person, to +3, which opens them.",
            Curve(_mean_weight("$__range", by=""), "weight"),
            decimals=2,
            least=-3,
            most=3,
        ),
        number(
            "Heavy drafts kept",
            "Drafts foreseen at -2 or -3 that were the answer all the same; each deserves a look.",
            Curve(f"sum(increase(tear_heavy_kept_total{{{MODEL}}}[$__range]))", "heavy and kept"),
            decimals=0,
            warn_from=1,
        ),
        number(
            "Malformed chains",
            "Share of reflected answers whose chain left its form, so that a fallback had to stand in.",
            Curve(f"{outcomes % MALFORMED} / ({reflected} > 0)", "malformed"),
            unit="percentunit",
            warn_from=0.05,
        ),
        number(
            "Reported outcomes",
            "How often a person said what an answer really did, with a weight, for a draft that was the answer.",
            Curve(f"sum(increase(tear_weight_error_count{{{MODEL}}}[$__range]))", "reports"),
            decimals=0,
        ),
    ]


def _foreseen() -> list[Panel]:
    return [
        curves(
            "Mean weight of drafts",
            "What drafts would do to a person on average, as the model foresees it: -3 closes, +3 opens.",
            Curve(_mean_weight(EACH, by="model, adapter"), BY_VERSION),
            least=-3,
            most=3,
        ),
        curves(
            "Mean weight by decision",
            "Drafts to be revised should lie well below those that are kept; where the lines meet, the decision no "
            "longer follows what was foreseen.",
            Curve(_mean_weight(EACH, by="decision"), "{{decision}}"),
            least=-3,
            most=3,
        ),
        heat(
            "Weights of drafts",
            "How many drafts were foreseen at each weight, one row for each from -3 at the bottom to +3 at the top.",
            f'tear_draft_weight_bucket{{{MODEL},le!="+Inf"}}',
        ),
        heat(
            "Expected weights of drafts",
            "The mean of the model's own distribution over weights, in half steps: between whole weights it wavers.",
            f'tear_expected_weight_bucket{{{MODEL},le!="+Inf"}}',
        ),
        curves(
            "Drafts foreseen to close a person",
            "Share of drafts with a weight below zero.",
            Curve(
                f"{_versioned('tear_draft_weight_bucket', CLOSING)} / ({_versioned('tear_draft_weight_count')} > 0)",
                BY_VERSION,
            ),
            unit="percentunit",
            least=0,
            most=1,
            span=24,
        ),
    ]


def _decided() -> list[Panel]:
    return [
        curves(
            "Share revised",
            "Share of reflected answers whose draft was taken back, for each model and adapter version.",
            Curve(
                f"{_versioned('tear_reflections_total', REVISED)}"
                f" / ({_versioned('tear_reflections_total', REFLECTED)} > 0)",
                BY_VERSION,
            ),
            unit="percentunit",
            least=0,
            most=1,
        ),
        curves(
            "Outcomes",
            "How reflections ended, a second.",
            Curve(f"sum by (outcome) (rate(tear_reflections_total{{{MODEL}}}[{EACH}]))", "{{outcome}}"),
            unit="reqps",
            least=0,
            stacked=True,
        ),
        heat(
            "Revise probability",
            "The model's own probability that a draft should be revised: both ends dark is a model that is sure of "
            "itself, the middle dark is one that wavers. Above 0.99 lies in the topmost row.",
            f"tear_revise_probability_bucket{{{MODEL}}}",
        ),
        curves(
            "How far revisions go",
            "Distance of a revision from its draft: 0 is the same words, 1 is none in common. Half of the revisions "
            "stay below the median.",
            Curve(_quantile(0.5, "tear_revision_distance"), "median"),
            Curve(_quantile(0.9, "tear_revision_distance"), "9 of 10 below"),
            unit="percentunit",
            least=0,
            most=1,
        ),
        curves(
            "Heavy drafts kept",
            "Drafts foreseen at -2 or -3 that a person received all the same, over a window of some scrapes.",
            Curve(f"sum by (model) (increase(tear_heavy_kept_total{{{MODEL},{REFLECTIVE}}}[{EACH}]))", "{{model}}"),
            least=0,
            span=24,
        ),
    ]


def _shifted() -> list[Panel]:
    """What `--second-look` shows. Its buckets are half a step wide, around the whole and half shifts."""
    count = f"sum by (model) (rate(tear_weight_shift_count{{{MODEL}}}[{EACH}]))"
    below = f'sum by (model) (rate(tear_weight_shift_bucket{{{MODEL},le!="+Inf"}}[{EACH}]))'
    return [
        curves(
            "Shift",
            "Mean of how far revised answers lie above their own drafts: below zero, revising harms. Only with "
            "--second-look, which witnesses a share of the revised answers once more.",
            Curve(f"6 - 0.5 * {below} / ({count} > 0)", "{{model}}"),
            least=-6,
            most=6,
        ),
        heat(
            "Shifts",
            "How many revised answers were foreseen how far above or below their drafts; all rows below 0 should be "
            "empty.",
            f'tear_weight_shift_bucket{{{MODEL},le!="+Inf"}}',
        ),
    ]


def _wrong() -> list[Panel]:
    return [
        curves(
            "Share malformed",
            "Share of reflected answers whose chain left its form; above a few hundredths an adapter is not fit.",
            Curve(
                f"{_versioned('tear_reflections_total', MALFORMED)}"
                f" / ({_versioned('tear_reflections_total', REFLECTED)} > 0)",
                BY_VERSION,
            ),
            unit="percentunit",
            least=0,
        ),
        curves(
            "Problems by reason",
            "What was wrong with chains that were answered all the same, a second.",
            Curve(f"sum by (problem) (rate(tear_problems_total{{{MODEL}}}[{EACH}])) > 0", "{{problem}}"),
            unit="cps",
            least=0,
            stacked=True,
        ),
    ]


def _reported() -> list[Panel]:
    below = f'sum by (model) (tear_weight_error_bucket{{{MODEL},le!="+Inf"}})'
    return [
        curves(
            "Reported minus foreseen weight",
            "Mean of the weight that people report minus the one foreseen, over all reports so far: below zero the "
            "witness is too hopeful, above it too dark.",
            Curve(f"7 - {below} / (sum by (model) (tear_weight_error_count{{{MODEL}}}) > 0)", "{{model}}"),
            least=-6,
            most=6,
        ),
        heat(
            "Reported minus foreseen weight",
            "How many reports lay how far from what was foreseen; a dark row at 0 is a witness that sees.",
            f'tear_weight_error_bucket{{{MODEL},le!="+Inf"}}',
        ),
    ]


def _mean_weight(window: str, *, by: str) -> str:
    """The exact mean, of one bucket for each whole number: the upper end minus the shares at or below each."""
    grouped = f"sum by ({by}) " if by else "sum"
    version = f" * {VERSION}" if "adapter" in by else ""
    below = f'{grouped}(rate(tear_draft_weight_bucket{{{MODEL},le!="+Inf"}}[{window}]){version})'
    count = f"{grouped}(rate(tear_draft_weight_count{{{MODEL}}}[{window}]){version})"
    return f"4 - {below} / ({count} > 0)"


def _versioned(metric: str, more: str = "") -> str:
    """A rate for each model and adapter version."""
    selector = f"{metric}{{{MODEL}{more and ','}{more}}}"
    return f"sum by (model, adapter) (rate({selector}[{EACH}]) * {VERSION})"


def _quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket{{{MODEL}}}[{EACH}])))"
