"""What the parts make of their rounds."""

from __future__ import annotations

import pytest
from report import Result
from serving import bypass, overhead, pipeline
from serving.bypass import Turn
from serving.pipeline import Told


def value(results: list[Result], name: str) -> Result:
    return next(result for result in results if result.name.startswith(name))


def test_a_proxy_adds_what_it_takes_beyond_its_server_and_we_add_all() -> None:
    rounds = [overhead.Round(ours=[0.002], proxied=[0.011], straight=[0.001])]
    results = overhead.added_latency(rounds, named="1 at once")
    assert value(results, "LiteLLM's added latency, p50").value == pytest.approx(10)
    ratio = value(results, "added latency / LiteLLM's, p50")
    assert (ratio.value, ratio.bar, ratio.ok) == (pytest.approx(0.2), "<= 0.25", True)


def test_a_missed_bar_is_said() -> None:
    rounds = [overhead.Round(ours=[0.005], proxied=[0.011], straight=[0.001])]
    assert value(overhead.added_latency(rounds, named="x"), "added latency / LiteLLM's, p99").ok is False


def test_throughput_counts_all_tokens_of_a_turn() -> None:
    ours, theirs = Turn((10, 30), 2.0, 0.01), Turn((10, 30), 4.0, 0.02)
    results = bypass.compare([(ours, theirs)], named="x")
    assert value(results, "direct throughput /").value == 2.0
    assert value(results, "direct TTFT p50 /").value == 0.5
    assert value(results, "tokens per direct reply").value == 20


def test_a_revised_answer_is_compared_with_each_contestant() -> None:
    ours, calls, optillm = Told(0.03, 1.0, 100, 60, 50), Told(0.6, 1.25, 100, 240, 250), Told(1.5, 1.5, 90, 400, 400)
    results = pipeline.compare([pipeline.Round(ours, calls, optillm)])
    found = {result.name: (pytest.approx(result.value), result.ok) for result in results if " / " in result.name}
    assert found == {
        "first visible token / three-call pipeline's": (0.05, True),
        "first visible token / optillm's": (0.02, True),
        "revised answer, to its end / three-call pipeline's": (0.8, False),
        "uncached prefill / three-call pipeline's": (0.25, True),
        "uncached prefill as reported / three-call pipeline's": (0.2, None),
    }
