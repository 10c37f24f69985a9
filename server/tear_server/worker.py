"""What vLLM's worker gets beyond its own; vLLM loads this by name, in the core's process."""

from __future__ import annotations

from typing import Any

import torch

from tear_server.deathwatch import Deathwatch


class WorkerExtension(Deathwatch):
    """Mixed into vLLM's worker class; its methods are called by `collective_rpc`."""

    model_runner: Any

    def keep_likeliest(self) -> None:
        """Give every request the log-probabilities that it asked for, whatever shares its batch.

        As soon as one request in a batch watches certain ids (`logprob_token_ids`), vLLM 0.32 answers the whole batch
        with those, and one beside it that asked for the likeliest tokens gets padding. `tests/live/test_logprobs.py`
        sees it without this. vLLM's newer runner for GPUs has another sampler, which keeps them apart by itself.
        """
        sampler = getattr(self.model_runner, "sampler", None)
        if sampler is not None and hasattr(sampler, "gather_specific_token_logprobs"):
            sampler.forward = _kept_apart(sampler)


def _kept_apart(sampler: Any) -> Any:
    plain = sampler.forward

    def forward(logits: torch.Tensor, sampling_metadata: Any, **speculating: Any) -> Any:
        metadata = sampling_metadata
        if speculating or not metadata.logprob_token_ids or metadata.max_num_logprobs is None:
            return plain(logits, metadata, **speculating)
        logprobs = sampler.compute_logprobs(logits)  # before sampling, which changes the logits in place
        output = plain(logits, metadata)
        watched = output.logprobs_tensors
        drawn = output.sampled_token_ids[:, 0].long()
        likeliest = sampler.gather_logprobs(logprobs, metadata.max_num_logprobs, token_ids=drawn)
        watches = torch.tensor([row in metadata.logprob_token_ids for row in range(len(drawn))], device=drawn.device)
        width = max(watched.logprobs.shape[1], likeliest.logprobs.shape[1])
        ids, values = (
            torch.where(watches[:, None], _widened(ours, width), _widened(theirs, width))
            for ours, theirs in (
                (watched.logprob_token_ids, likeliest.logprob_token_ids),
                (watched.logprobs, likeliest.logprobs),
            )
        )
        output.logprobs_tensors = watched._replace(logprob_token_ids=ids, logprobs=values)
        return output

    return forward


def _widened(rows: torch.Tensor, width: int) -> torch.Tensor:
    """Rows padded to `width` columns: (batch, width). Nobody reads the padding."""
    return torch.nn.functional.pad(rows, (0, width - rows.shape[1]))
