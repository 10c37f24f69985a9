"""What the servers' replies say: usage, stages, and when the first text that the model wrote could be seen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tear_chain.wire import load_reflection
from tear_chain.words import Reflection

DONE = "[DONE]"
LABEL = "Draft:"
"""Our stream says this before the model has written anything: it is not counted as text."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One reply's tokens as its server counts them."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int

    @property
    def uncached_tokens(self) -> int:
        """Prompt tokens that had to be computed."""
        return self.prompt_tokens - self.cached_tokens


@dataclass(frozen=True, slots=True)
class Streamed:
    """A streamed reply; seconds since the request was sent."""

    first_s: float
    """To the first text that the model wrote, in either channel."""
    end_s: float
    usage: Usage
    """All zero where the server told none."""
    reflection: Reflection | None


@dataclass(frozen=True, slots=True)
class Counters:
    """What a vLLM engine has counted since it started."""

    queried_tokens: float
    """Prompt tokens looked up in the prefix cache."""
    hit_tokens: float
    generated_tokens: float

    def since(self, before: Counters) -> Counters:
        """What was added after `before`."""
        return Counters(
            self.queried_tokens - before.queried_tokens,
            self.hit_tokens - before.hit_tokens,
            self.generated_tokens - before.generated_tokens,
        )

    @property
    def uncached_tokens(self) -> float:
        """Prompt tokens that had to be computed."""
        return self.queried_tokens - self.hit_tokens


class StreamReader:
    """Fed a stream's `data:` payloads with the time of each, knows when text was first seen and what was reported."""

    def __init__(self) -> None:
        self._reasoning = ""
        self._first_s: float | None = None
        self._end_s: float | None = None
        self._usage = Usage(0, 0, 0)
        self._reflection: Reflection | None = None

    def feed(self, payload: str, at_s: float) -> None:
        """One event; raises `RuntimeError` for one that reports an error."""
        if payload == DONE:
            self._end_s = at_s
            return
        event = json.loads(payload)
        if "error" in event:
            raise RuntimeError(f"the stream broke off: {event['error']}")
        if event.get("usage"):
            self._usage = read_usage(event["usage"])
        for choice in event["choices"]:
            delta = choice.get("delta") or {}
            if delta.get("reflection"):
                self._reflection = load_reflection(json.dumps(delta["reflection"]))
            if self._first_s is None and self._shows_text(delta):
                self._first_s = at_s

    def streamed(self) -> Streamed:
        """The whole; raises `RuntimeError` if the stream did not come to its end or showed no text."""
        if self._first_s is None or self._end_s is None:
            raise RuntimeError(f"the stream {'showed no text' if self._end_s else 'did not come to its end'}")
        return Streamed(self._first_s, self._end_s, self._usage, self._reflection)

    def _shows_text(self, delta: Mapping[str, Any]) -> bool:
        self._reasoning += delta.get("reasoning") or ""
        return bool(delta.get("content") or self._reasoning.strip().removeprefix(LABEL))


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """OpenAI's `usage` object; what it does not say of the cache is taken for nothing cached."""
    details = usage.get("prompt_tokens_details") or {}
    return Usage(usage["prompt_tokens"], details.get("cached_tokens") or 0, usage["completion_tokens"])


def uncached_tokens(reflection: Reflection) -> int:
    """Prompt tokens that had to be computed, over all stages, as the reflection itself reports them."""
    return sum(report.prompt_tokens - report.cached_tokens for report in reflection.stages)


def scene_text(reflection: Reflection) -> str:
    """The witness as plain text."""
    scene = reflection.witness
    return " ".join(part.strip() for part in (scene.who, scene.impact, scene.ripples) if part) if scene else ""


def read_counters(page: str) -> Counters:
    """vLLM's counters out of a Prometheus page; raises `LookupError` naming one that is not there."""
    names = "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total", "vllm:generation_tokens_total"
    return Counters(*(_sum(page, name) for name in names))


def read_engine(page: str, settings: Sequence[str]) -> Mapping[str, str]:
    """The named settings of the engine's cache out of a Prometheus page."""
    line = re.search(r"^vllm:cache_config_info\{(.*)\}", page, re.MULTILINE)
    if line is None:
        raise LookupError("the page has no vllm:cache_config_info")
    told = dict(re.findall(r'(\w+)="([^"]*)"', line[1]))
    return {name: told[name] for name in settings}


def _sum(page: str, name: str) -> float:
    values = re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$", page, re.MULTILINE)
    if not values:
        raise LookupError(f"the page has no {name}")
    return sum(map(float, values))
