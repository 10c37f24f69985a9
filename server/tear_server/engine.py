"""What the reflection needs of an engine: token ids in, token ids out, as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

WATCHED_TOKENS = 2
"""A weight, and a decision."""


LAST_SEED = 2**63 - 1
"""Stands in for -1, which to vLLM is no seed at all."""


class Finish(StrEnum):
    """Why a generation ended."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn, in all stages alike."""

    temperature: float = 0.3
    """0 is greedy."""
    top_p: float = 1.0
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0

    def asked(
        self,
        *,
        temperature: float | None,
        top_p: float | None,
        seed: int | None,
        frequency_penalty: float = 0.0,
        presence_penalty: float = 0.0,
    ) -> Sampling:
        """What a caller asks for, over these defaults where a caller says nothing."""
        return Sampling(
            temperature=self.temperature if temperature is None else temperature,
            top_p=self.top_p if top_p is None else top_p,
            seed=LAST_SEED if seed == -1 else seed,
            frequency_penalty=frequency_penalty,
            presence_penalty=presence_penalty,
        )


@dataclass(frozen=True, slots=True)
class Generation:
    """One request to the engine."""

    id: str
    prompt: tuple[int, ...]
    max_tokens: int
    stop_ids: frozenset[int]
    """Any of these ends the generation and is its last token."""
    sampling: Sampling
    adapter: str | None = None
    """Name of a loaded adapter; None is the bare base."""
    watch: tuple[int, ...] = ()
    """Ids whose log-probabilities are wanted."""
    watch_after: int | None = None
    """Watch only the `WATCHED_TOKENS` that come after this id, since watching costs time at every token; None: all."""
    min_tokens: int = 0
    """How many tokens come before a stop id may."""
    trace: Mapping[str, str] | None = None
    """W3C trace context as headers; None where nothing is traced."""
    session: str | None = None
    """What a router between engines goes by: generations of one session share prefixes."""
    top_logprobs: int | None = None
    """So many of the likeliest tokens are wanted at every position, with the drawn one; never together with `watch`."""
    json_schema: str | None = None
    """The text is held to this JSON schema, and ends with `</s>` where it is whole."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Newly generated tokens; the last chunk has `finish`."""

    tokens: tuple[int, ...]
    watched: tuple[Mapping[int, float], ...]
    """One map of id to natural log-probability per token, from the raw logits; empty for a token that is not watched,
    and no maps at all if none is."""
    cached_tokens: int
    """How many prompt tokens the prefix cache answered."""
    finish: Finish | None
    likeliest: tuple[Mapping[int, float], ...] = ()
    """One map per token, of the drawn one and the likeliest, as `watched`; empty if `top_logprobs` is None."""


class Engine(Protocol):
    """A model that generates. Closing the iterator aborts the work; failures are `EngineError`."""

    def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        """Stream the tokens of one generation."""

    async def health(self) -> None:
        """Return if the engine can generate; raise `EngineDead` if it cannot."""


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """An adapter to load: the name that generations give, and where its files are."""

    name: str
    folder: Path
    rank: int


class AdapterHost(Protocol):
    """An engine that takes adapters in while it runs. What it has loaded survives a restart of its core."""

    async def load(self, files: AdapterFiles) -> None:
        """Have `files.name` ready for generations; `EngineError` if it cannot be loaded. Loading it twice is once."""

    async def unload(self, name: str) -> None:
        """Forget an adapter; the caller sees to it that no generation still uses it. An unknown name is no error."""
