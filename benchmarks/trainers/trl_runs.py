"""TRL's contestants, each with the settings that serve it best here; `../training.md` says what was tried.

TRL lies in a folder of its own, which the process that imports this has on its path.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor
from transformers import Ministral3ForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from transformers.utils import is_flash_attn_2_available
from trl import SFTConfig, SFTTrainer
from trl.trainer.utils import add_fused_lm_head

from tear_chain.tokenizer import ChainTokenizer
from trainers.memory import peak_bytes
from trainers.weights import part_weights
from trainers.work import PACK_TOKENS, Turn, Work

LossFunction = Callable[..., Tensor]


class _Counted(SFTTrainer):
    """Keeps count of what each step holds; nothing else is changed."""

    def get_batch_samples(self, *arguments: Any) -> tuple[list[Any], Tensor | int | None]:
        batches, count = super().get_batch_samples(*arguments)
        tokens = sum(int(_is_predicted(batch).sum()) for batch in batches)
        self.counts.append((int(count), tokens))
        return batches, count


class _Weighted(_Counted):
    """The ten lines: TRL's fused head for the log-probabilities, and a weight for each."""

    def __init__(self, *arguments: Any, weigh: Callable[[Tensor], Tensor], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.weigh = weigh
        add_fused_lm_head(self.model.get_base_model())  # once more, without entropy and top-1

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        return -(outputs.log_probs * self.weigh(inputs["labels"][:, 1:])).sum() / num_items_in_batch


class _Clock(TrainerCallback):
    def __init__(self) -> None:
        self.ends_s: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends_s.append(time.monotonic())


class Sft:
    """SFTTrainer on the loss of the completion: `fast`, with `compute_loss_func`, or as the subclass `weighted`."""

    def __init__(self, work: Work, *, loss: str) -> None:
        self._work = work
        self._clock = _Clock()
        self._folder = tempfile.TemporaryDirectory()
        weigh = _weigher(work)
        options: dict[str, Any] = {}
        if loss == "function":
            options["compute_loss_func"] = _weighted_cross_entropy(weigh)
        if loss == "weighted":
            options["weigh"] = weigh
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # compute_loss_func is to go
            self._trainer = (_Weighted if loss == "weighted" else _Counted)(
                model=_load(work),
                args=_arguments(work, self._folder.name),
                train_dataset=_dataset(work),
                processing_class=_padder(ChainTokenizer.load(work.base).chain.end),
                peft_config=LoraConfig(
                    r=work.config.lora.rank,
                    lora_alpha=int(work.config.lora.alpha),
                    lora_dropout=work.config.lora.dropout,
                    target_modules=rf"model\.layers\.\d+\.self_attn\.({'|'.join(work.config.lora.targets)})_proj",
                    task_type="CAUSAL_LM",
                ),
                callbacks=[self._clock],
                **options,
            )
        self._trainer.remove_callback(PrinterCallback)

    def turn(self) -> Turn:
        self._clock.ends_s.clear()
        self._trainer.counts = []
        self._trainer.train()
        ends_s, counts = self._clock.ends_s, self._trainer.counts[1:]
        trained, tokens = (sum(numbers) for numbers in zip(*counts, strict=True))
        return Turn(ends_s[-1] - ends_s[0], trained, tokens, peak_bytes(self._work.device))


def _arguments(work: Work, folder: str) -> SFTConfig:
    batching, (only,) = work.config.batching, work.config.passes
    on_cpu = work.device == "cpu"
    packs = not on_cpu and is_flash_attn_2_available()
    steps = len(work.examples()) // batching.rows_per_step
    return SFTConfig(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=1 if packs else batching.micro_rows,
        gradient_accumulation_steps=batching.rows_per_step // batching.micro_rows,
        train_sampling_strategy="sequential",
        learning_rate=only.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": only.floor},
        weight_decay=work.config.weight_decay,
        max_grad_norm=work.config.max_grad_norm,
        bf16=True,
        use_cpu=on_cpu,
        gradient_checkpointing=False,
        max_length=PACK_TOKENS if packs else None,
        packing=packs,
        padding_free=True,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=not on_cpu,
        seed=work.config.seed,
    )


def _load(work: Work) -> Ministral3ForCausalLM:
    attention = "eager" if work.device == "cpu" else "flash_attention_2" if is_flash_attn_2_available() else "sdpa"
    model = Ministral3ForCausalLM.from_pretrained(work.base, dtype=torch.bfloat16, attn_implementation=attention)
    return model.to(work.device)


def _dataset(work: Work) -> Dataset:
    """The same tokens, and loss on the same of them."""
    rows = [
        {
            "input_ids": list(example.tokens),
            "labels": [token if kind else -100 for token, kind in zip(example.tokens, example.kinds, strict=True)],
        }
        for example in work.examples()
    ]
    return Dataset.from_list(rows)


def _padder(pad: int) -> PreTrainedTokenizerFast:
    """All that TRL needs of a tokenizer where rows come as tokens."""
    words = Tokenizer(WordLevel({"<pad>": pad}))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<pad>")


def _weigher(work: Work) -> Callable[[Tensor], Tensor]:
    return partial(part_weights, chain=ChainTokenizer.load(work.base).chain, lambda_=work.lambda_)


def _weighted_cross_entropy(weigh: Callable[[Tensor], Tensor]) -> LossFunction:
    """What people write for `compute_loss_func`, after transformers' own loss: the logits whole, in float32."""

    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        logits, targets = outputs.logits[:, :-1].float(), labels[:, 1:]
        nll = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return (nll * weigh(targets).flatten()).sum() / num_items_in_batch

    return loss


def _is_predicted(batch: Any) -> Tensor:
    """All tokens but the first of each row."""
    return batch["position_ids"] != 0  # type: ignore[no-any-return]
