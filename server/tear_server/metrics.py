"""What Prometheus sees of the witness: `tear_*`, labels from closed sets, never user text."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tear_chain.words import WEIGHTS, Decision, Outcome, Problem, Reflection, Stage

WAITING_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120)
"""Buckets for a person who waits: fine below ten seconds, coarse above a minute."""
PROBABILITY = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
WEIGHT = tuple(float(weight) for weight in WEIGHTS)
"""One bucket per weight: means follow from buckets, since prometheus-client writes no `_sum` for what goes below 0."""
WEIGHT_ERROR = tuple(float(error) for error in range(WEIGHTS[0] - WEIGHTS[-1], WEIGHTS[-1] - WEIGHTS[0] + 1))
EXPECTED_WEIGHT = tuple(half / 2 for half in range(-5, 7))
HTTP_SECONDS = (0.005, 0.025, *WAITING_SECONDS)
HEAVY = -2
"""A draft of this weight or below is one that a person will carry for long."""
WEIGHT_SHIFT = tuple(quarter / 4 for quarter in range(-23, 24, 2))
"""Edges beside the halves: most shifts are nearly whole, and on an edge the mean of buckets would lean to one side."""
SECOND_LOOKS = ("witnessed", "unread", "failed", "passed_over")
"""`unread`: a scene without a weight, of the draft or of the answer."""


class Metrics:
    """The server's own registry; vLLM keeps its series in prometheus-client's default one."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.in_flight = Gauge("tear_in_flight", "Reflections being worked on.", ["model"], registry=registry)
        self.rejected = Counter(
            "tear_rejected_total", "Requests refused before anything was generated.", ["code"], registry=registry
        )
        self.admitted = Gauge(
            "tear_admitted", "Places taken by requests that were let in, one for each reflection.", registry=registry
        )
        self.admission_limit = Gauge(
            "tear_admission_limit", "Places that there are; who finds none free is refused.", registry=registry
        )
        self.http_requests = Counter(
            "tear_http_requests_total",
            "HTTP requests whose reply has ended, by the route as the API writes it; status 499: the client left.",
            ["route", "method", "status"],
            registry=registry,
        )
        self.http_seconds = Histogram(
            "tear_http_request_seconds",
            "Seconds from an HTTP request to the end of its reply, streams included.",
            ["route", "method"],
            buckets=HTTP_SECONDS,
            registry=registry,
        )
        self.engine_retries = Counter(
            "tear_engine_retries_total",
            "Generations that were interrupted and asked for once more, from where they stood.",
            registry=registry,
        )
        self._reflections = Counter(
            "tear_reflections_total", "Reflections ended, by outcome.", ["model", "outcome"], registry=registry
        )
        self._problems = Counter(
            "tear_problems_total",
            "What was wrong with chains answered all the same.",
            ["model", "problem"],
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "tear_stage_seconds",
            "Seconds from asking the engine for a stage to its last token.",
            ["model", "stage"],
            buckets=WAITING_SECONDS,
            registry=registry,
        )
        self._stage_tokens = Counter(
            "tear_stage_tokens_total", "Tokens generated per stage.", ["model", "stage"], registry=registry
        )
        self._prompt_tokens = Counter(
            "tear_stage_prompt_tokens_total",
            "Prompt tokens per stage; `cached` ones the engine held already.",
            ["model", "stage", "cached"],
            registry=registry,
        )
        self._first_token = Histogram(
            "tear_first_token_seconds",
            "Seconds to the first generated token, the draft's.",
            ["model"],
            buckets=WAITING_SECONDS,
            registry=registry,
        )
        self._first_answer_token = Histogram(
            "tear_first_answer_token_seconds",
            "Seconds to the first token of the answer.",
            ["model"],
            buckets=WAITING_SECONDS,
            registry=registry,
        )
        self._seconds = Histogram(
            "tear_reflection_seconds",
            "Seconds from the first stage to the end of the answer.",
            ["model"],
            buckets=WAITING_SECONDS,
            registry=registry,
        )
        self._draft_weight = Histogram(
            "tear_draft_weight",
            "Foreseen weight of drafts, -3 (closes a person) to +3 (opens them).",
            ["model", "decision"],
            buckets=WEIGHT,
            registry=registry,
        )
        self._heavy_kept = Counter(
            "tear_heavy_kept_total",
            "Drafts that were the answer although their foreseen weight was -2 or -3.",
            ["model"],
            registry=registry,
        )
        self._expected_weight = Histogram(
            "tear_expected_weight",
            "Mean foreseen weight of drafts under the model's own distribution.",
            ["model", "decision"],
            buckets=EXPECTED_WEIGHT,
            registry=registry,
        )
        self._revise_probability = Histogram(
            "tear_revise_probability",
            "The model's own probability that a draft should be revised.",
            ["model"],
            buckets=PROBABILITY,
            registry=registry,
        )
        self._revision_distance = Histogram(
            "tear_revision_distance",
            "How far a revision is from its draft: 0 the same words, 1 none in common.",
            ["model"],
            buckets=tuple(tenth / 10 for tenth in range(1, 11)),
            registry=registry,
        )
        self._answer_weight = Histogram(
            "tear_answer_weight",
            "Mean foreseen weight of revised answers, as far as they were witnessed once more.",
            ["model"],
            buckets=EXPECTED_WEIGHT,
            registry=registry,
        )
        self._weight_shift = Histogram(
            "tear_weight_shift",
            "What revising changed: mean foreseen weight of the answer minus that of its draft, of the same ones.",
            ["model"],
            buckets=WEIGHT_SHIFT,
            registry=registry,
        )
        self.second_looks = Counter(
            "tear_second_looks_total",
            "Revised answers chosen to be witnessed once more, and what came of it.",
            ["model", "result"],
            registry=registry,
        )
        self.weight_error = Histogram(
            "tear_weight_error",
            "Weight that a person reported minus the one foreseen, where the foreseen draft was the answer.",
            ["model"],
            buckets=WEIGHT_ERROR,
            registry=registry,
        )
        self.journal_failures = Counter(
            "tear_journal_failures_total", "Times that the journal could not be read or written.", registry=registry
        )
        self.engine_up = Gauge(
            "tear_engine_up", "1 while the engine can be asked, 0 while it cannot.", registry=registry
        )
        self.engine_restarts = Counter(
            "tear_engine_restarts_total", "Times that a dead engine was started anew.", registry=registry
        )
        self._adapter = Gauge(
            "tear_adapter_info", "The adapter that is served.", ["model", "adapter", "base"], registry=registry
        )
        self._adapter_cas = Gauge(
            "tear_adapter_cas",
            "Consequence awareness score of the adapter that is served, if it was evaluated: 0 chance, 1 perfect.",
            ["model", "adapter"],
            registry=registry,
        )
        self._announced: dict[str, tuple[str, str]] = {}

    def announce(self, *, models: tuple[str, ...], adapter: str, base: str, cas: float | None = None) -> None:
        """Say what is served, and begin every series at zero, so that rates are right from the first event on."""
        for model in models:
            self.withdraw(model)
            self._adapter.labels(model, adapter, base).set(1)
            self._announced[model] = (adapter, base)
            if cas is not None:
                self._adapter_cas.labels(model, adapter).set(cas)
            self.in_flight.labels(model)
            for outcome in Outcome:
                self._reflections.labels(model, outcome.value)
            for problem in Problem:
                self._problems.labels(model, problem.value)
            for result in SECOND_LOOKS:
                self.second_looks.labels(model, result)
            self._begin_at_zero(model)

    def withdraw(self, model: str) -> None:
        """Say no longer what is served under a name; what was counted of it stays."""
        if (said := self._announced.pop(model, None)) is not None:
            self._adapter.remove(model, *said)
            # The series may have been begun by nobody, and then there is nothing to take away.
            self._adapter_cas.remove_by_labels({"model": model})

    def broke_off(self, model: str, outcome: Outcome) -> None:
        """Count a reflection that was cancelled or failed."""
        self._reflections.labels(model, outcome.value).inc()

    def watch_pool(self, inside: Callable[[], float], *, limit: int) -> None:
        """Show how many places are taken, asked at every scrape, and how many there are."""
        self.admitted.set_function(inside)
        self.admission_limit.set(limit)

    def completed(self, reflection: Reflection, *, only_witness: bool = False) -> None:
        """Count a reflection that was answered; `only_witness`: its draft was foreseen and given to nobody."""
        model = reflection.model
        self._reflections.labels(model, reflection.outcome.value).inc()
        for problem in reflection.problems:
            self._problems.labels(model, problem.value).inc()
        for report in reflection.stages:
            if report.finish == "supplied":
                continue
            stage = report.stage.value
            self._stage_seconds.labels(model, stage).observe(report.seconds)
            self._stage_tokens.labels(model, stage).inc(report.tokens)
            self._prompt_tokens.labels(model, stage, "true").inc(report.cached_tokens)
            self._prompt_tokens.labels(model, stage, "false").inc(report.prompt_tokens - report.cached_tokens)
        self._observe_waiting(reflection)
        self._observe_witness(reflection)
        scene, is_draft = reflection.witness, reflection.answer_stage is Stage.DRAFT
        if is_draft and not only_witness and scene is not None and scene.weight is not None and scene.weight <= HEAVY:
            self._heavy_kept.labels(model).inc()

    def _begin_at_zero(self, model: str) -> None:
        for stage in Stage:
            self._stage_seconds.labels(model, stage.value)
            self._stage_tokens.labels(model, stage.value)
            for cached in ("true", "false"):
                self._prompt_tokens.labels(model, stage.value, cached)
        for decision in Decision:
            self._draft_weight.labels(model, decision.value)
            self._expected_weight.labels(model, decision.value)
        for waiting in (self._first_token, self._first_answer_token, self._seconds):
            waiting.labels(model)
        for foreseen in (self._revise_probability, self._revision_distance, self.weight_error):
            foreseen.labels(model)
        for again in (self._answer_weight, self._weight_shift):
            again.labels(model)
        self._heavy_kept.labels(model)

    def looked_again(self, first: Reflection, seen: Reflection) -> None:
        """Count a revised answer, `first`'s, whose consequence was `seen` by itself."""
        model, before, after = first.model, first.expected_weight, seen.expected_weight
        if before is None or after is None:
            self.second_looks.labels(model, "unread").inc()
            return
        self.second_looks.labels(model, "witnessed").inc()
        self._answer_weight.labels(model).observe(after)
        self._weight_shift.labels(model).observe(after - before)

    def _observe_waiting(self, reflection: Reflection) -> None:
        first, *_, last = (reflection.stages[0], reflection.stages[-1])
        total = sum(report.seconds for report in reflection.stages)
        self._seconds.labels(reflection.model).observe(total)
        if first.first_token_seconds is not None:
            self._first_token.labels(reflection.model).observe(first.first_token_seconds)
        answered = total
        if last.stage is not Stage.WITNESS and last.first_token_seconds is not None:
            answered = total - last.seconds + last.first_token_seconds
        self._first_answer_token.labels(reflection.model).observe(answered)

    def _observe_witness(self, reflection: Reflection) -> None:
        model, decision, scene = reflection.model, reflection.decision, reflection.witness
        if decision is None or scene is None:
            return
        if scene.weight is not None:
            self._draft_weight.labels(model, decision.value).observe(scene.weight)
        if reflection.expected_weight is not None:
            self._expected_weight.labels(model, decision.value).observe(reflection.expected_weight)
        if reflection.revise_probability is not None:
            self._revise_probability.labels(model).observe(reflection.revise_probability)
        if decision is Decision.REVISE:
            distance = revision_distance(reflection.draft, reflection.answer)
            self._revision_distance.labels(model).observe(distance)


def revision_distance(draft: str, answer: str) -> float:
    """1 − the share of words in common, in order (Ratcliff/Obershelp, as difflib has it); 0 … 1."""
    return 1 - difflib.SequenceMatcher(None, draft.split(), answer.split(), autojunk=False).ratio()
