"""What goes to and comes from vLLM's `/v1/completions` and `/v1/models`, as far as it matters here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from tear_chain.errors import EngineError
from tear_server.engine import Chunk, Finish, Generation


def request_body(generation: Generation, *, model: str) -> dict[str, Any]:
    """A generation as JSON: token ids in, token ids out, as they come."""
    sampling = generation.sampling
    watched = {
        "logprobs": 0,  # without it the next is refused
        "logprob_token_ids": generation.watch,
        "return_tokens_as_token_ids": True,
    }
    return {
        "model": model,
        "prompt": generation.prompt,
        "max_tokens": generation.max_tokens,
        "min_tokens": generation.min_tokens,
        "stop_token_ids": sorted(generation.stop_ids),
        "ignore_eos": True,  # the stop ids say all
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
        **(watched if generation.watch else {}),
    }


class Logprobs(BaseModel):
    """At each position those of the drawn and the watched tokens, by names like `token_id:907`; null is NaN."""

    top_logprobs: list[dict[str, float | None]]


class Choice(BaseModel):
    """New tokens of the one generation that was asked for."""

    token_ids: list[int]
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    @property
    def is_broken_off(self) -> bool:
        """Whether it ended for a reason that is not the generation's own, as when vLLM is being stopped."""
        return self.finish_reason is not None and self.finish_reason not in set(Finish)

    def as_chunk(self, watch: Sequence[int]) -> Chunk:
        """The chunk, not yet knowing what was cached; `EngineError` if what is watched was left out."""
        return Chunk(
            tokens=tuple(self.token_ids),
            watched=self._watched(watch) if watch else (),
            cached_tokens=0,
            finish=None if self.finish_reason is None else Finish(self.finish_reason),
        )

    def _watched(self, watch: Sequence[int]) -> tuple[Mapping[int, float], ...]:
        names = {token: f"token_id:{token}" for token in watch}
        told = self.logprobs.top_logprobs if self.logprobs else []
        if len(told) != len(self.token_ids) or any(name not in at for name in names.values() for at in told):
            raise EngineError("vLLM left out log-probabilities that were asked for.")
        return tuple(
            {token: math.nan if (found := at[name]) is None else found for token, name in names.items()} for at in told
        )


class CachedTokens(BaseModel):
    """Only told by a vLLM that was started with `--enable-prompt-tokens-details`."""

    cached_tokens: int | None = None


class Usage(BaseModel):
    """Told once, at the end."""

    prompt_tokens_details: CachedTokens | None = None


class Failure(BaseModel):
    """What went wrong; `code` is an HTTP status."""

    message: str
    code: int | str | None = None


class Reply(BaseModel):
    """One event of a stream, or the body of a refusal."""

    choices: list[Choice] = []
    usage: Usage | None = None
    error: Failure | str | None = None

    @property
    def cached_tokens(self) -> int:
        """How much of the prompt the prefix cache answered, where that is told."""
        details = self.usage and self.usage.prompt_tokens_details
        return (details and details.cached_tokens) or 0


class Model(BaseModel):
    """A name that can be asked for: the base itself, or an adapter with the base as its parent."""

    id: str
    parent: str | None = None
    max_model_len: int | None = None


class Models(BaseModel):
    """`GET /v1/models`."""

    data: list[Model]
