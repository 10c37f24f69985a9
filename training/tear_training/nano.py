"""Nano: a few-million-parameter base model of Ministral 3's architecture, pretrained here from scratch on the CPU."""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import Ministral3Config, Ministral3ForCausalLM

from tear_training.prepare import prepare_base
from tear_training.world import Split, World

NAME = "tear-nano"
RECORD_FILE = "nano.json"
DEFAULT_SEED = 7
DEFAULT_STEPS = 4500
BPE_RANKS = 7192
"""How many merges of Tekken nano keeps: with the 1000 special slots a vocabulary of 8192."""
SPECIAL_SLOTS = 1000
DOCUMENTS_PER_STEP = 16
"""Few, since steps teach nano more than tokens do: it has to find out early that looking back pays."""
LENGTH_STEP = 16
"""Documents are padded to a multiple of it: kernels are compiled anew for every shape."""
SORTED_TOGETHER = 32
"""Batches whose documents are sorted by length together, so that little is padding."""
SILENT_ROWS = 256
"""Rows of tokens no document uses that stand in for all of them at a step, which halves the work of the head."""
PEAK_LEARNING_RATE = 3e-3
WARM_UP_STEPS = 100
WEIGHT_DECAY = 0.05
GRADIENT_NORM = 1.0
HELD_OUT_BATCHES = 32

PAD = 11

_SOURCE_TEKKEN = "tekken_240911.json"
_DOCUMENTS_TO_LISTEN = 20_000
# The slots that Ministral 3 names. The image slots keep their place although nano has no eyes; `<SPECIAL_i>` is
# Tekken's own filler, written out because a slot's rank is its place in this list.
_SPECIAL_TOKENS = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]",
    "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]", *(f"<SPECIAL_{slot}>" for slot in range(20, 32)),
    "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NanoReport:
    """What pretraining came to, as `nano.json` beside the weights records it."""

    command: str
    seed: int
    steps: int
    tokens: int
    seconds: float
    tokens_per_second: float
    train_loss: float
    held_out_loss: float
    parameters: int
    torch: str
    license: str = "Apache-2.0"
    data: str = "written by the procedural generator tear_training.world; no text of people"


def build_nano(
    out: Path,
    *,
    seed: int = DEFAULT_SEED,
    steps: int = DEFAULT_STEPS,
    force: bool = False,
    console: Console | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> NanoReport:
    """Pretrain nano and prepare it for the chain: the whole of `tear base nano OUT`.

    Progress goes to `console`, if there is one; `on_step` hears each step's number and loss. `force` replaces an `out`
    that exists.
    """
    with TemporaryDirectory() as folder:
        raw = Path(folder) / "nano"
        report = pretrain_nano(raw, seed=seed, steps=steps, console=console, on_step=on_step)
        prepare_base(raw, out, name=NAME, license=report.license, force=force, console=console)
        shutil.copyfile(raw / RECORD_FILE, out / RECORD_FILE)
    return report


def pretrain_nano(
    out: Path,
    *,
    seed: int = DEFAULT_SEED,
    steps: int = DEFAULT_STEPS,
    console: Console | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> NanoReport:
    """Make nano's tokenizer, pretrain its weights from scratch, and write both to `out` as an unprepared checkpoint.

    The same seed, steps, torch, threads and machine give the same losses.
    """
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    write_tekken(out / "tekken.json")
    tokenizer = load_tekken(out / "tekken.json")
    # On documents this short plain attention is faster than the fused kernels.
    model = Ministral3ForCausalLM._from_config(  # type: ignore[no-untyped-call]
        nano_config(), attn_implementation="eager"
    )
    started_s = time.monotonic()
    train_loss, tokens = _pretrain(model, tokenizer, seed=seed, steps=steps, console=console, on_step=on_step)
    seconds = time.monotonic() - started_s
    report = NanoReport(
        command=f"tear base nano OUT --seed {seed} --steps {steps}",
        seed=seed,
        steps=steps,
        tokens=tokens,
        seconds=round(seconds, 1),
        tokens_per_second=round(tokens / seconds, 1),
        train_loss=round(train_loss, 4),
        held_out_loss=round(held_out_loss(model, tokenizer, seed=seed), 4),
        parameters=model.num_parameters(),
        torch=torch.__version__,
    )
    model.bfloat16().save_pretrained(out)
    (out / RECORD_FILE).write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    return report


def write_tekken(path: Path) -> None:
    """Cut the Tekken file inside the mistral-common wheel to its first merges, text only, in the format of v13."""
    with as_file(files("mistral_common") / "data" / _SOURCE_TEKKEN) as source:
        tekken = json.loads(source.read_text(encoding="utf-8"))
    cut = {
        "config": {
            "pattern": tekken["config"]["pattern"],
            "num_vocab_tokens": BPE_RANKS,
            "default_vocab_size": SPECIAL_SLOTS + BPE_RANKS,
            "default_num_special_tokens": SPECIAL_SLOTS,
            "version": "v13",
        },
        "vocab": tekken["vocab"][:BPE_RANKS],
        "special_tokens": [
            {"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(_SPECIAL_TOKENS)
        ],
    }
    path.write_text(json.dumps(cut, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def load_tekken(path: Path) -> Tekkenizer:
    """The tokenizer of a `tekken.json`, through mistral-common's own loader."""
    tokenizer = MistralTokenizer.from_file(str(path)).instruct_tokenizer.tokenizer
    if not isinstance(tokenizer, Tekkenizer):
        raise TypeError(f"{path} holds a {type(tokenizer).__name__}, expected Tekken")
    return tokenizer


def nano_config() -> Ministral3Config:
    """Ministral 3's architecture at nano's size, its YaRN parameters written out in full."""
    return Ministral3Config(
        vocab_size=SPECIAL_SLOTS + BPE_RANKS,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=32768,
        rope_parameters={
            "rope_type": "yarn",
            # Ministral's 1e6 would leave three of nano's sixteen frequencies to tell neighbours apart.
            "rope_theta": 1e4,
            "factor": 16.0,
            "original_max_position_embeddings": 2048,
            "max_position_embeddings": 32768,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "mscale": 1.0,
            "mscale_all_dim": 1.0,
            "llama_4_scaling_beta": 0.1,
        },
        initializer_range=0.04,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=PAD,
    )


def batches(tokenizer: Tekkenizer, *, seed: int, split: Split) -> Iterator[Tensor]:
    """Endless batches of the world's documents, one a row between <s> and </s>, padded on the right.

    A batch is (DOCUMENTS_PER_STEP, 1 + a multiple of LENGTH_STEP): inputs and, shifted by one, targets.
    """
    rng = Random(seed)  # noqa: S311 - repeatable, not secret
    documents = World(seed).documents(split=split)
    while True:
        drawn = islice(documents, DOCUMENTS_PER_STEP * SORTED_TOGETHER)
        rows = sorted((tokenizer.encode(document, bos=True, eos=True) for document in drawn), key=len)
        groups = [rows[start : start + DOCUMENTS_PER_STEP] for start in range(0, len(rows), DOCUMENTS_PER_STEP)]
        rng.shuffle(groups)
        for group in groups:
            width = 1 + LENGTH_STEP * math.ceil((len(group[-1]) - 1) / LENGTH_STEP)
            yield torch.tensor([row + [PAD] * (width - len(row)) for row in group])


def held_out_loss(model: Ministral3ForCausalLM, tokenizer: Tekkenizer, *, seed: int) -> float:
    """Mean loss per token, under the whole vocabulary, on documents about situations pretraining never saw."""
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in islice(batches(tokenizer, seed=seed, split="validation"), HELD_OUT_BATCHES):
            logits = model(input_ids=batch[:, :-1], use_cache=False).logits
            targets = batch[:, 1:]
            loss = cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=PAD, reduction="sum")
            total += loss.item()
            count += int((targets != PAD).sum())
    return total / count


@dataclass(frozen=True, slots=True)
class _SampledHead:
    """Cross-entropy over the tokens that documents use and a fresh sample of those they never use.

    The sample's logits are raised by the log of how many rows each stands for, so the loss estimates the full one.
    """

    spoken: Tensor
    """Ids, ascending."""
    silent: Tensor
    place: Tensor
    """From a token's id to its place in `spoken`; -100 for a token outside it and for padding, which are no targets."""

    @classmethod
    def of(cls, tokenizer: Tekkenizer, *, seed: int) -> "_SampledHead":
        documents = islice(World(seed).documents(), _DOCUMENTS_TO_LISTEN)
        heard = {token for document in documents for token in tokenizer.encode(document, bos=True, eos=True)}
        spoken = torch.tensor(sorted(heard))
        place = torch.full((tokenizer.n_words,), -100)
        place[spoken] = torch.arange(len(spoken))
        silent = torch.tensor([token for token in range(SPECIAL_SLOTS, tokenizer.n_words) if token not in heard])
        return cls(spoken, silent, place)

    def loss(self, hidden: Tensor, targets: Tensor, *, rows: Tensor) -> Tensor:
        """Mean loss of `hidden` (T, H) against `targets` (T), with `rows` (V, H) the output embedding."""
        sample = self.silent[torch.randint(len(self.silent), (SILENT_ROWS,))]
        stands_for = torch.zeros(len(self.spoken) + SILENT_ROWS)
        stands_for[len(self.spoken) :] = math.log(len(self.silent) / SILENT_ROWS)
        logits = torch.nn.functional.linear(hidden, rows[torch.cat((self.spoken, sample))])
        return cross_entropy(logits.float() + stands_for, self.place[targets])


def _pretrain(
    model: Ministral3ForCausalLM,
    tokenizer: Tekkenizer,
    *,
    seed: int,
    steps: int,
    console: Console | None,
    on_step: Callable[[int, float], None] | None,
) -> tuple[float, int]:
    """Train in place; the smoothed loss at the end, and how many tokens were learned from."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98), fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _learning_rate_share(step, steps))
    head = _SampledHead.of(tokenizer, seed=seed)
    smoothed, tokens = math.nan, 0
    with _progress(console) as progress:
        bar = progress.add_task("pretraining nano", total=steps, loss=math.nan, rate=0.0)
        started_s = time.monotonic()
        for step, batch in enumerate(islice(batches(tokenizer, seed=seed, split="train"), steps), start=1):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                hidden = model.model(input_ids=batch[:, :-1], use_cache=False).last_hidden_state
                loss = head.loss(hidden.flatten(0, 1), batch[:, 1:].flatten(), rows=model.lm_head.weight)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            value = loss.item()
            smoothed = value if math.isnan(smoothed) else 0.98 * smoothed + 0.02 * value
            tokens += int((batch[:, 1:] != PAD).sum())
            progress.update(bar, advance=1, loss=smoothed, rate=tokens / (time.monotonic() - started_s))
            if on_step is not None:
                on_step(step, value)
    return smoothed, tokens


def _learning_rate_share(step: int, steps: int) -> float:
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    done = (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _progress(console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TextColumn("{task.fields[rate]:,.0f} tokens/s"),
        TimeRemainingColumn(),
        console=console,
        disable=console is None,
    )
