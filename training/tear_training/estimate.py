"""How much memory a training step will take, from a base's config.json: nothing is loaded and nothing computed.

What is held all along is arithmetic. What a step computes is counted, not guessed: a model of one layer and one of two
go through the step as fake tensors, which have shapes and no contents, and every further layer is what the second was.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AttentionInterface, AttentionMaskInterface, Ministral3Config, Ministral3ForCausalLM
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tear_training.adapter import ChainModel, add_adapter, attention_for
from tear_training.config import TrainConfig
from tear_training.distillation import divergence
from tear_training.loss import token_nll

_BYTES = {"float32": 4.0, "bfloat16": 2.0}
_NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Half a byte a weight; for every 64 of them a scale of one byte, and for every 256 scales one of four."""
_UNMASKED = "sdpa_unmasked"


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """The largest that a run will see: `rows` of `length` positions, on `learned` of which there is loss."""

    rows: int
    length: int
    learned: int


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes on each card (or in the machine) at the worst moment of a step."""

    weights: int
    """The frozen base, with its head once more where that is multiplied in another precision."""
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    """What the way forward keeps for the way back."""
    head: int
    """What the head's tile takes beyond that, before the way back begins."""
    backward: int
    """What the way back takes beyond that: gradients of activations, and a layer computed once more."""

    @property
    def total(self) -> int:
        """The peak: head and way back come one after the other."""
        held = self.weights + self.adapter + self.gradients + self.optimizer
        return held + self.activations + max(self.head, self.backward)


def estimate_memory(base: Ministral3Config, config: TrainConfig, *, batch: MicroBatch) -> MemoryEstimate:
    """Memory of a step of `config` on the largest micro-batch of a run."""
    one, two = (_count(base, config, batch=batch, layers=layers) for layers in (1, 2))
    further = base.num_hidden_layers - 2
    adapter = one.adapter + (two.adapter - one.adapter) * (further + 1)
    return MemoryEstimate(
        weights=_weights(base, config),
        adapter=adapter,
        gradients=adapter,
        # AdamW: a mean and a variance for each parameter.
        optimizer=2 * adapter,
        activations=two.kept + (two.kept - one.kept) * further,
        head=two.head,
        backward=two.backward + (_largest_projection(base) * 2 if config.base_weights == "nf4" else 0),
    )


def text_parameters(base: Ministral3Config) -> int:
    """Weights of the layers' projections: what every token is multiplied with."""
    return base.num_hidden_layers * sum(_projections(base).values())


def _weights(base: Ministral3Config, config: TrainConfig) -> int:
    table = base.vocab_size * base.hidden_size
    bytes_ = _BYTES.get(config.base_weights, 2.0)
    projections = text_parameters(base) * (_NF4_BYTES if config.base_weights == "nf4" else bytes_)
    tables = table * bytes_ * (1 if base.tie_word_embeddings else 2)
    head = 0 if bytes_ == _BYTES[config.precision] else table * _BYTES[config.precision]
    return round(projections + tables + head)


def _projections(base: Ministral3Config) -> Mapping[str, int]:
    hidden, head = base.hidden_size, base.head_dim or base.hidden_size // base.num_attention_heads
    query, key = base.num_attention_heads * head, base.num_key_value_heads * head
    return {
        "q": hidden * query,
        "k": hidden * key,
        "v": hidden * key,
        "o": query * hidden,
        "gate": hidden * base.intermediate_size,
        "up": hidden * base.intermediate_size,
        "down": base.intermediate_size * hidden,
    }


def _largest_projection(base: Ministral3Config) -> int:
    return max(_projections(base).values())


@dataclass(frozen=True, slots=True)
class _Count:
    adapter: int
    kept: int
    head: int
    backward: int


def _count(base: Ministral3Config, config: TrainConfig, *, batch: MicroBatch, layers: int) -> _Count:
    """A step of the same base with so many layers, in bytes."""
    shape = Ministral3Config.from_dict(base.to_dict() | {"num_hidden_layers": layers})
    held = torch.float32 if config.base_weights == "float32" else torch.bfloat16
    with torch.device("meta"):
        model = Ministral3ForCausalLM._from_config(  # type: ignore[no-untyped-call]
            shape, attn_implementation=_kernel(batch.length), dtype=held
        )
        if config.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        peft = add_adapter(model, config.lora, seed=config.seed)
    with FakeTensorMode(allow_non_fake_inputs=True):
        # Not on the meta device itself: autocast does not know it.
        peft.to_empty(device="cpu")
        chain = ChainModel(peft, precision=getattr(torch, config.precision)).train()
        with _Live(beside=(*chain.parameters(), *chain.buffers())) as live:
            states = chain(torch.zeros((batch.rows, batch.length), dtype=torch.long))
            hidden = states.flatten(0, 1)[: batch.learned]
            kept = live.peak = live.now
            # The divergence has two tiles of logits, so its head is the larger.
            loss = (
                divergence(hidden, chain.head, hidden.detach())
                if config.rehearsal is not None and config.rehearsal.against == "base"
                else token_nll(hidden, chain.head, torch.zeros(batch.learned, dtype=torch.long))
            )
            head, live.peak = live.peak - kept, live.now
            loss.sum().backward()  # type: ignore[no-untyped-call]
            backward = live.peak - kept
    trained = sum(each.nbytes for each in peft.parameters() if each.requires_grad)
    return _Count(adapter=trained, kept=kept, head=head, backward=backward)


def _kernel(longest: int) -> str:
    # Of fake tensors transformers cannot see that they need no mask, and would count one that a run never makes.
    AttentionMaskInterface.register(_UNMASKED, lambda *_, **__: None)
    AttentionInterface.register(_UNMASKED, ALL_ATTENTION_FUNCTIONS["sdpa"])
    # FlashAttention, which needs a card, keeps as much as this kernel does.
    found = attention_for(longest, precision="float32", is_packed=False)
    return _UNMASKED if found == "sdpa" else found


class _Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of what has been computed and is still held, `beside` what was there: `now`, and the most it ever was."""

    def __init__(self, *, beside: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.peak = 0
        # Views of these are no new bytes.
        self._sizes = {tensor.untyped_storage()._cdata: 0 for tensor in beside}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._note(tensor)
        return out

    def _note(self, tensor: Tensor) -> None:
        # Views share their storage, and it lives as long as the last of them.
        storage = tensor.untyped_storage()
        if storage._cdata not in self._sizes:
            self._sizes[storage._cdata] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, storage._cdata)

    def _drop(self, key: int) -> None:
        self.now -= self._sizes.pop(key)
