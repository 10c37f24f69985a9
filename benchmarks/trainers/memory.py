"""Memory: the peak of a process, and what one loss step needs on top of states and head."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from tear_training.examples import collate
from tear_training.loss import token_nll
from trainers.work import Device, Work

STATUS = Path("/proc/self/status")
LossName = Literal["tiled", "full logits"]


def peak_bytes(device: Device) -> int:
    """The most memory that this process had: of the accelerator, or resident where it has none."""
    return torch.cuda.max_memory_allocated() if device == "cuda" else _status("VmHWM")


def loss_step_bytes(work: Work, *, loss: LossName, precision: str, rows: int) -> int:
    """By how much resident memory grows from final states and head to the states' gradient, at its peak.

    To be called in a fresh process: the kernel keeps the peak of its whole life. (`ru_maxrss` would not do; a child
    begins with its parent's.)
    """
    batch = collate(work.examples()[:rows], pad=0)
    dtype = getattr(torch, precision)
    vocabulary, width = _head_shape(work)
    states, head = (
        torch.randn(*shape, dtype=dtype, device=work.device).mul_(0.1)
        for shape in ((*batch["inputs"].shape, width), (vocabulary, width))
    )
    states.requires_grad_()
    targets, learned = batch["targets"].to(work.device), batch["kinds"].to(work.device) != 0
    _warm_up(head)
    before = _bytes_now(work.device)
    if loss == "tiled":
        token_nll(states[learned], head, targets[learned]).sum().backward()
    else:
        _causal_lm_loss(states, head, targets.masked_fill(~learned, -100)).backward()
    return peak_bytes(work.device) - before


def _causal_lm_loss(states: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    from transformers.loss.loss_utils import ForCausalLMLoss

    logits = torch.nn.functional.linear(states, head)
    loss: Tensor = ForCausalLMLoss(logits, labels=targets, vocab_size=len(head), shift_labels=targets)
    return loss


def _warm_up(head: Tensor) -> None:
    """Have the libraries' own memory taken before."""
    (torch.ones(2, head.shape[1], dtype=head.dtype) @ head[:64].T).float().logsumexp(-1)


def _bytes_now(device: Device) -> int:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    before = _status("VmRSS")
    if _status("VmHWM") > before + (64 << 20):
        raise RuntimeError("this process had more memory before than it holds now, so its peak says nothing")
    return before


def _head_shape(work: Work) -> tuple[int, int]:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(work.base)
    return config.vocab_size, config.hidden_size


def _status(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) << 10
