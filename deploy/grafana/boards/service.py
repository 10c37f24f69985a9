"""How the service fares: what is asked, how long people wait, who is turned away, and what keeps it up."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard
from panels import Curve, Panel, board, curves, number

MODEL = 'model=~"$model"'
EACH = "$__rate_interval"
WORK = 'route=~"/v1/.*"'
"""Without probes, scrapes and pages."""
UNSERVED = 'code=~"overloaded|engine_.*"'
"""Refused through no fault of the caller."""


def service_board() -> dashboard.Dashboard:
    """Rate, errors and durations, by route and by stage."""
    return board(
        "tear-service",
        "The Tear: service",
        "What is asked of the server, how it answers, and how long people wait.",
        model_of="tear_adapter_info, model",
        rows=[
            ("Now", _now()),
            ("Requests", _requests()),
            ("Waiting", _waiting()),
            ("Room and refusals", _room()),
            ("Upkeep", _upkeep()),
        ],
    )


def _now() -> list[Panel]:
    return [
        number("Servers", "Servers that could be scraped just now.", Curve("count(tear_engine_up)", "servers")),
        number(
            "Engines away",
            "Servers whose engine cannot be asked: it is being started anew, or was given up.",
            Curve("sum(1 - tear_engine_up)", "away"),
            warn_from=1,
        ),
        number(
            "At work",
            "Reflections being worked on at this moment.",
            Curve(f"sum(tear_in_flight{{{MODEL}}})", "at work"),
        ),
        number(
            "Places taken",
            "Share of the places for reflections that are taken; at 100 % more are refused.",
            Curve("sum(tear_admitted) / sum(tear_admission_limit)", "taken"),
            unit="percentunit",
            warn_from=0.8,
        ),
        number(
            "Served",
            "Share of all that was asked in the time shown that neither failed nor was turned away by the server.",
            Curve(
                '1 - (sum(increase(tear_reflections_total{outcome="failed"}[$__range]))'
                f" + sum(increase(tear_rejected_total{{{UNSERVED}}}[$__range])))"
                " / (sum(increase(tear_reflections_total[$__range]))"
                f" + sum(increase(tear_rejected_total{{{UNSERVED}}}[$__range])) > 0)",
                "served",
            ),
            unit="percentunit",
            decimals=2,
        ),
        number(
            "Engine restarts",
            "How often an engine died and was started anew in the time shown.",
            Curve("sum(increase(tear_engine_restarts_total[$__range]))", "restarts"),
            decimals=0,
            warn_from=1,
        ),
    ]


def _requests() -> list[Panel]:
    route = "sum by (route)"
    ended = f"sum by (le, route) (rate(tear_http_request_seconds_bucket{{{WORK}}}[{EACH}]))"
    return [
        curves(
            "Requests by route",
            "HTTP requests a second whose reply has ended, for each route under /v1.",
            Curve(f"{route} (rate(tear_http_requests_total{{{WORK}}}[{EACH}])) > 0", "{{route}}"),
            unit="reqps",
            least=0,
            span=8,
        ),
        curves(
            "Share that failed by route",
            "Share of replies with a status of 500 or above; a stream that breaks off after it began counts as a "
            "reflection that failed instead.",
            Curve(
                f'{route} (rate(tear_http_requests_total{{{WORK},status=~"5.."}}[{EACH}]))'
                f" / ({route} (rate(tear_http_requests_total{{{WORK}}}[{EACH}])) > 0)",
                "{{route}}",
            ),
            unit="percentunit",
            least=0,
            most=1,
            span=8,
        ),
        curves(
            "Time to the end of a reply",
            "Half of the requests to a route ended within this time; a stream ends with its last event.",
            Curve(
                f"histogram_quantile(0.5, {ended}) > 0",
                "{{route}}",
            ),
            unit="s",
            least=0,
            span=8,
        ),
        curves(
            "Replies by status",
            "Replies a second by HTTP status; 499 is a client that left before it was answered.",
            Curve(f"sum by (status) (rate(tear_http_requests_total{{{WORK}}}[{EACH}])) > 0", "{{status}}"),
            unit="reqps",
            least=0,
            stacked=True,
        ),
        curves(
            "Time to the end of a reply, the slow ones",
            "19 of 20 requests to a route ended within this time.",
            Curve(
                f"histogram_quantile(0.95, {ended}) > 0",
                "{{route}}",
            ),
            unit="s",
            least=0,
        ),
    ]


def _waiting() -> list[Panel]:
    def waits(metric: str) -> tuple[Curve, Curve]:
        found = f"sum by (le) (rate({metric}_bucket{{{MODEL}}}[{EACH}]))"
        return (
            Curve(f"histogram_quantile(0.5, {found})", "half within"),
            Curve(f"histogram_quantile(0.95, {found})", "19 of 20 within"),
        )

    return [
        curves(
            "To the first token",
            "From the start of a reflection to the first generated token, the draft's.",
            *waits("tear_first_token_seconds"),
            unit="s",
            least=0,
            span=8,
        ),
        curves(
            "To the first token of the answer",
            "What a person waits for before reading: draft and witness come first.",
            *waits("tear_first_answer_token_seconds"),
            unit="s",
            least=0,
            span=8,
        ),
        curves(
            "To the end of the answer",
            "From the first stage to the last token of the answer.",
            *waits("tear_reflection_seconds"),
            unit="s",
            least=0,
            span=8,
        ),
        curves(
            "Mean time of a stage",
            "Seconds that the engine writes at a draft, a consequence scene, a revision.",
            Curve(
                f"sum by (stage) (rate(tear_stage_seconds_sum{{{MODEL}}}[{EACH}]))"
                f" / (sum by (stage) (rate(tear_stage_seconds_count{{{MODEL}}}[{EACH}])) > 0)",
                "{{stage}}",
            ),
            unit="s",
            least=0,
            span=8,
        ),
        curves(
            "Tokens written by stage",
            "Generated tokens a second; what is not the answer is the price of reflecting.",
            Curve(f"sum by (stage) (rate(tear_stage_tokens_total{{{MODEL}}}[{EACH}]))", "{{stage}}"),
            unit="short",
            least=0,
            stacked=True,
            span=8,
        ),
        curves(
            "Prompt tokens that were there already",
            "Share of a stage's prompt that the engine held already: all of it where a stage goes on from what was "
            "just written; a draft that the caller brought has to be read first.",
            Curve(
                f'sum by (stage) (rate(tear_stage_prompt_tokens_total{{{MODEL},cached="true"}}[{EACH}]))'
                f" / (sum by (stage) (rate(tear_stage_prompt_tokens_total{{{MODEL}}}[{EACH}])) > 0)",
                "{{stage}}",
            ),
            unit="percentunit",
            least=0,
            most=1,
            span=8,
        ),
    ]


def _room() -> list[Panel]:
    return [
        curves(
            "Places taken",
            "Places held by requests that were let in, reflections being worked on, and the places that there are.",
            Curve("sum(tear_admitted)", "taken"),
            Curve(f"sum(tear_in_flight{{{MODEL}}})", "at work"),
            Curve("sum(tear_admission_limit)", "there are"),
            least=0,
            span=8,
        ),
        curves(
            "Refusals by code",
            "Requests a second that were refused before anything was generated.",
            Curve(f"sum by (code) (rate(tear_rejected_total[{EACH}])) > 0", "{{code}}"),
            unit="reqps",
            least=0,
            stacked=True,
            span=8,
        ),
        curves(
            "Cancelled and failed",
            "Reflections a second whose client left, and those that an error broke off.",
            Curve(
                f'sum by (outcome) (rate(tear_reflections_total{{{MODEL},outcome=~"cancelled|failed"}}[{EACH}]))',
                "{{outcome}}",
            ),
            unit="reqps",
            least=0,
            span=8,
        ),
    ]


def _upkeep() -> list[Panel]:
    return [
        curves(
            "Engine",
            "1 while a server's engine can be asked, 0 while it is away or given up.",
            Curve("min by (instance) (tear_engine_up)", "{{instance}}"),
            least=0,
            most=1,
            span=6,
        ),
        curves(
            "Restarts and retries",
            "Engines started anew, and generations asked for once more, over a window of some scrapes.",
            Curve(f"sum(increase(tear_engine_restarts_total[{EACH}]))", "restarts"),
            Curve(f"sum(increase(tear_engine_retries_total[{EACH}]))", "retries"),
            least=0,
            span=6,
        ),
        curves(
            "Journal failures",
            "Times that the journal could not be used, over a window of some scrapes; no answer is lost by it.",
            Curve(f"sum(increase(tear_journal_failures_total[{EACH}]))", "failures"),
            least=0,
            span=6,
        ),
        curves(
            "Memory of the server's process",
            "Resident memory of the HTTP side; the engine is a process of its own and not in it.",
            Curve(
                "sum by (instance) (process_resident_memory_bytes and on (job, instance) tear_engine_up)",
                "{{instance}}",
            ),
            unit="bytes",
            least=0,
            span=6,
        ),
    ]
