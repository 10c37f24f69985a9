from __future__ import annotations

import json
from typing import Any

import pytest
from serving.replies import (
    Counters,
    StreamReader,
    Usage,
    read_counters,
    read_engine,
    read_usage,
    scene_text,
    uncached_tokens,
)

from tear_chain.wire import dump_reflection
from tear_chain.words import Decision, Outcome, Reflection, Scene, Stage, StageReport, Status

PAGE = """\
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine="0",model_name="tear-nano"} 300.0
vllm:prefix_cache_hits_total{engine="0",model_name="tear-nano"} 128.0
vllm:generation_tokens_total{engine="0",model_name="tear-nano"} 50.0
vllm:generation_tokens_total{engine="1",model_name="tear-nano"} 7.0
vllm:cache_config_info{block_size="32",cache_dtype="auto",num_gpu_blocks="1024"} 1.0
"""
REFLECTION = Reflection(
    id="refl-1",
    model="tear-nano",
    adapter="witness-1",
    status=Status.COMPLETE,
    outcome=Outcome.REVISED,
    problems=(),
    draft="Slow hands.",
    witness=Scene(who=" a beginner", impact=" She closes the lid.", weight=-2),
    expected_weight=-1.5,
    decision=Decision.REVISE,
    revise_probability=0.9,
    answer="A start!",
    answer_cut=False,
    stages=(
        StageReport(Stage.DRAFT, 20, 40, 0, 0.01, 0.2, "stop"),
        StageReport(Stage.WITNESS, 50, 61, 61, 0.01, 0.5, "stop"),
        StageReport(Stage.REVISED, 30, 112, 96, 0.01, 0.3, "stop"),
    ),
)


def chunk(**delta: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


def read(*payloads: str) -> StreamReader:
    """Fed one payload each second, from second 1 on."""
    reader = StreamReader()
    for second, payload in enumerate(payloads, start=1):
        reader.feed(payload, float(second))
    return reader


@pytest.mark.parametrize(
    ("payloads", "first_s"),
    [
        ([chunk(role="assistant", content=""), chunk(content="A")], 2.0),
        ([chunk(reasoning="Draft: "), chunk(reasoning="Slow"), chunk(content="A")], 2.0),
        ([chunk(reasoning="Draft: "), chunk(content="A")], 2.0),
        ([chunk(reasoning="Draft: Slow hands.")], 1.0),
    ],
    ids=["role first", "draft after its label", "label alone", "label and draft together"],
)
def test_the_first_text_is_the_models_first_and_no_label(payloads: list[str], first_s: float) -> None:
    assert read(*payloads, "[DONE]").streamed().first_s == first_s


def test_a_stream_ends_with_done_and_tells_usage_and_reflection() -> None:
    usage = json.dumps({"choices": [], "usage": {"prompt_tokens": 40, "completion_tokens": 100}})
    last = chunk(reflection=dump_reflection(REFLECTION))
    streamed = read(chunk(content="A"), last, usage, "[DONE]").streamed()
    assert (streamed.end_s, streamed.usage, streamed.reflection) == (4.0, Usage(40, 0, 100), REFLECTION)


@pytest.mark.parametrize(
    ("payloads", "complaint"),
    [([chunk(content="A")], "did not come to its end"), (["[DONE]"], "showed no text")],
    ids=["no end", "no text"],
)
def test_a_stream_that_is_not_whole_is_no_measurement(payloads: list[str], complaint: str) -> None:
    with pytest.raises(RuntimeError, match=complaint):
        read(*payloads).streamed()


def test_an_error_in_a_stream_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="engine_dead"):
        read(json.dumps({"error": {"code": "engine_dead"}}))


@pytest.mark.parametrize(
    ("details", "uncached"),
    [({}, 40), ({"prompt_tokens_details": None}, 40), ({"prompt_tokens_details": {"cached_tokens": 32}}, 8)],
    ids=["untold", "null", "told"],
)
def test_uncached_is_what_the_prompt_has_beyond_the_cache(details: dict[str, Any], uncached: int) -> None:
    assert read_usage({"prompt_tokens": 40, "completion_tokens": 5, **details}).uncached_tokens == uncached


def test_a_reflections_uncached_tokens_are_those_of_all_its_stages() -> None:
    assert uncached_tokens(REFLECTION) == 40 + 0 + 16


def test_a_scene_is_told_without_what_it_lacks() -> None:
    assert scene_text(REFLECTION) == "a beginner She closes the lid."


def test_counters_are_summed_over_engines_and_told_since() -> None:
    counted = read_counters(PAGE)
    assert counted == Counters(300.0, 128.0, 57.0)
    assert counted.since(Counters(100.0, 64.0, 7.0)).uncached_tokens == 136.0


def test_a_page_without_the_counters_is_named() -> None:
    with pytest.raises(LookupError, match="prefix_cache_hits"):
        read_counters(PAGE.replace("prefix_cache_hits", "other"))


def test_an_engines_cache_tells_its_settings() -> None:
    assert read_engine(PAGE, ("block_size", "num_gpu_blocks")) == {"block_size": "32", "num_gpu_blocks": "1024"}
