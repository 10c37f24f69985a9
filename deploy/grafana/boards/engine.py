"""vLLM's own series, by the names that they have in 0.32.

The chain ends its requests itself, by aborting them after the last stage that is wanted. So what vLLM counts at the end
of a request (its end-to-end times, its reasons for finishing) says little here and is left out.
"""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard
from panels import Curve, Panel, board, curves, number, spans

MODEL = 'model_name=~"$model"'
EACH = "$__rate_interval"


def engine_board() -> dashboard.Dashboard:
    """The engine beneath the chain."""
    return board(
        "tear-engine",
        "The Tear: engine",
        "vLLM beneath the chain: its cache, its queue, its speed, its adapters.",
        model_of="vllm:num_requests_running, model_name",
        rows=[("Now", _now()), ("Work", _work()), ("Cache", _cache()), ("Adapters", _adapters())],
    )


def _now() -> list[Panel]:
    return [
        number(
            "Running",
            "Requests that are in the batch at this moment.",
            Curve(f"sum(vllm:num_requests_running{{{MODEL}}})", "running"),
            span=6,
        ),
        number(
            "Waiting",
            "Requests that wait for a place in the batch.",
            Curve(f"sum(vllm:num_requests_waiting{{{MODEL}}})", "waiting"),
            warn_from=1,
            span=6,
        ),
        number(
            "KV cache in use",
            "Fullest KV cache of all engines; when it is full, requests wait or are set back.",
            Curve(f"max(vllm:kv_cache_usage_perc{{{MODEL}}})", "in use"),
            unit="percentunit",
            warn_from=0.9,
            span=6,
        ),
        number(
            "Tokens generated",
            "Tokens that were generated in the time shown.",
            Curve(f"sum(increase(vllm:generation_tokens_total{{{MODEL}}}[$__range]))", "tokens"),
            decimals=0,
            span=6,
        ),
    ]


def _work() -> list[Panel]:
    def waits(metric: str) -> tuple[Curve, Curve]:
        found = f"sum by (le) (rate({metric}_bucket{{{MODEL}}}[{EACH}]))"
        return (
            Curve(f"histogram_quantile(0.5, {found})", "half within"),
            Curve(f"histogram_quantile(0.95, {found})", "19 of 20 within"),
        )

    return [
        curves(
            "Tokens",
            "Tokens a second: read from prompts, those found in the cache included, and generated.",
            Curve(f"sum(rate(vllm:prompt_tokens_total{{{MODEL}}}[{EACH}]))", "read"),
            Curve(f"sum(rate(vllm:generation_tokens_total{{{MODEL}}}[{EACH}]))", "generated"),
            least=0,
        ),
        curves(
            "Requests",
            "Requests in the batch, and those that wait for a place in it and why.",
            Curve(f"sum(vllm:num_requests_running{{{MODEL}}})", "running"),
            Curve(f"sum by (reason) (vllm:num_requests_waiting_by_reason{{{MODEL}}})", "waiting: {{reason}}"),
            least=0,
        ),
        curves(
            "To vLLM's first token",
            "From a request's arrival at vLLM to its first token, its wait for a place included.",
            *waits("vllm:time_to_first_token_seconds"),
            unit="s",
            least=0,
            span=8,
        ),
        curves(
            "Between tokens",
            "Time from one token to the next: what sets the pace of a stream.",
            *waits("vllm:inter_token_latency_seconds"),
            unit="s",
            least=0,
            span=8,
        ),
        curves(
            "Tokens in a step",
            "Mean number of tokens that one step of the engine works on: prompts and batch together.",
            Curve(
                f"sum(rate(vllm:iteration_tokens_total_sum{{{MODEL}}}[{EACH}]))"
                f" / (sum(rate(vllm:iteration_tokens_total_count{{{MODEL}}}[{EACH}])) > 0)",
                "tokens",
            ),
            least=0,
            span=8,
        ),
    ]


def _cache() -> list[Panel]:
    return [
        curves(
            "KV cache in use",
            "Share of each engine's KV cache that holds tokens of running requests.",
            Curve(f"max by (instance, engine) (vllm:kv_cache_usage_perc{{{MODEL}}})", "{{instance}} engine {{engine}}"),
            unit="percentunit",
            least=0,
            most=1,
            span=8,
        ),
        curves(
            "Prefix hits",
            "Share of prompt tokens that were found in the prefix cache: turns of a conversation should raise it. Only "
            "whole blocks are found.",
            Curve(
                f"sum(rate(vllm:prefix_cache_hits_total{{{MODEL}}}[{EACH}]))"
                f" / (sum(rate(vllm:prefix_cache_queries_total{{{MODEL}}}[{EACH}])) > 0)",
                "found",
            ),
            unit="percentunit",
            least=0,
            most=1,
            span=8,
        ),
        curves(
            "Set back",
            "Requests that lost their place in the cache to others and begin again, over a window of some scrapes; "
            "many call for a larger cache or fewer places.",
            Curve(f"sum(increase(vllm:num_preemptions_total{{{MODEL}}}[{EACH}]))", "set back"),
            least=0,
            span=8,
        ),
    ]


def _adapters() -> list[Panel]:
    return [
        spans(
            "Adapters that answer",
            "Which adapter version answered for which model, and since when.",
            Curve('max by (model, adapter) (tear_adapter_info{model!~".*-direct"})', "{{model}}: {{adapter}}"),
        ),
        curves(
            "Since vLLM worked with an adapter",
            "Seconds since vLLM last had requests of these adapters in its batch; near zero is at work.",
            Curve(
                "min by (running_lora_adapters) "
                '(clamp_min(time() - vllm:lora_requests_info{running_lora_adapters!=""}, 0))',
                "{{running_lora_adapters}}",
            ),
            unit="s",
            least=0,
            span=24,
        ),
    ]
