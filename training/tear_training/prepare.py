"""Makes a prepared base of a Hugging Face checkpoint: text only, with the chain's control tokens known to it."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mistral_common.exceptions import MistralCommonException
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from tear_chain.artifact import describe, fingerprint
from tear_chain.conversation import Conversation, Message, Role
from tear_chain.errors import BaseError, InvalidRequest
from tear_chain.format import FORMAT_VERSION
from tear_chain.prepared import CARD_FILE, PreparedBase, load_prepared, save_prepared
from tear_chain.tokenizer import TOKENIZER_FILE, ChainTokenizer
from tear_chain.tokens import DESCRIPTIONS, TOKEN_NAMES
from tear_training.checkpoint import (
    INDEX_FILE,
    SINGLE_FILE,
    TensorEntry,
    copy_tensors,
    find_shards,
    read_entries,
    read_rows,
    write_rows,
)
from tear_training.control_rows import Untrained, described_rows
from tear_training.fetch import fetch_checkpoint
from tear_training.slots import ClaimedTekken, claim_slots, read_tekken

CONTEXT_CAP = 16_384
CONFIG_FILE = "config.json"
TEXT_ARCHITECTURE = "Ministral3ForCausalLM"
WRAPPER_ARCHITECTURE = "Mistral3ForConditionalGeneration"
CONVERSATION_DESCRIPTIONS: Mapping[str, str] = {
    "[INST]": " someone says",
    "[/INST]": " so I answer",
    "[SYSTEM_PROMPT]": " how to speak",
    "[/SYSTEM_PROMPT]": " now begin",
}
"""Words for the conversation's own control tokens, used where the base has never trained them."""

_EMBEDDING = "model.embed_tokens.weight"
_HEAD = "lm_head.weight"
_LAYER_TENSORS = (
    "input_layernorm",
    "post_attention_layernorm",
    "mlp.down_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "self_attn.k_proj",
    "self_attn.o_proj",
    "self_attn.q_proj",
    "self_attn.v_proj",
)
_VISION = re.compile(r"^(model\.)?(vision_tower|multi_modal_projector)\.")
_FREQUENT_TOKENS = range(256, 1280)
"""Places in the text vocabulary, after its 256 bytes: merges made early, so certainly trained."""


@dataclass(frozen=True, slots=True)
class _TextConfig:
    """The text model's configuration as its checkpoint gives it."""

    values: Mapping[str, Any]
    says_tied: bool

    @property
    def layers(self) -> int:
        return int(self.values["num_hidden_layers"])

    @property
    def embedding_shape(self) -> tuple[int, int]:
        return int(self.values["vocab_size"]), int(self.values["hidden_size"])

    @property
    def context(self) -> int:
        rope = self.values.get("rope_parameters") or {}
        original = rope.get("original_max_position_embeddings", self.values["max_position_embeddings"])
        return min(int(original), int(self.values["max_position_embeddings"]), CONTEXT_CAP)


def prepare_base(
    src: Path | str,
    out: Path,
    *,
    name: str,
    license: str | None = None,  # noqa: A002 - the word on every card
    revision: str | None = None,
    force: bool = False,
    console: Console | None = None,
) -> PreparedBase:
    """Make a prepared base at `out` from the checkpoint `src`: a local folder or a hub id.

    Nothing is written at `out` before all of it is whole. `license` is read from the checkpoint's README where
    it is not given. Progress goes to `console`, if there is one.
    """
    _check_target(out, src=src, force=force)
    checkpoint = fetch_checkpoint(src, revision=revision)
    source = checkpoint.folder
    text = _read_config(source / CONFIG_FILE)
    tekken = claim_slots(read_tekken(source / TOKENIZER_FILE), TOKEN_NAMES, where=str(source / TOKENIZER_FILE))
    if tekken.vocab_size > text.embedding_shape[0]:
        raise BaseError(
            f"{source / TOKENIZER_FILE} has {tekken.vocab_size} tokens, "
            f"but {source / CONFIG_FILE} says vocab_size {text.embedding_shape[0]}."
        )
    shards = [read_entries(shard) for shard in find_shards(source)]
    tied = _is_tied(text, shards, source)
    plan = [_rename(entries, tied=tied) for entries in shards]
    _check_complete(plan, text, tied=tied, source=source)
    with _temporary_sibling(out) as work:
        _write_config(work, text, tied=tied, dtype=plan)
        (work / TOKENIZER_FILE).write_text(json.dumps(tekken.content, ensure_ascii=False), encoding="utf-8")
        tokenizer = _load_tokenizer(work, shown=source)
        with _progress(console, total=sum(entry.bytes for shard in plan for _, entry in shard)) as on_bytes:
            matrices = _write_weights(work, plan, on_bytes=on_bytes)
        set_rows = _set_control_rows(matrices, tekken, tokenizer)
        files = {path.name: describe(path) for path in sorted(work.iterdir())}
        card = PreparedBase(
            format_version=FORMAT_VERSION,
            name=name,
            fingerprint=fingerprint(files),
            source=checkpoint.source,
            revision=checkpoint.revision,
            license=license or _find_license(source) or "unknown",
            context=text.context,
            tokens=dict(tekken.slots),
            set_rows=set_rows,
            files=files,
        )
        save_prepared(work, card)
        _replace(out, work)
    return card


def check_base(folder: Path) -> PreparedBase:
    """Read a prepared base byte by byte and try its tokenizer; raise `BaseError` naming what is wrong."""
    card = load_prepared(folder, whole=True)
    for shard in find_shards(folder):
        read_entries(shard)
    _load_tokenizer(folder, shown=folder)
    return card


def _check_target(out: Path, *, src: Path | str, force: bool) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise BaseError(f"{out} is not a folder.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not (out / CARD_FILE).is_file():
        raise BaseError(f"{out} is not empty and is not a prepared base. Name another folder.")
    if not force:
        raise BaseError(f"{out} holds a prepared base already. Use --force to replace it.")
    if Path(src).resolve().is_relative_to(out.resolve()):
        raise BaseError(f"{src} lies in {out}, which would be replaced. Name another folder.")


def _read_config(path: Path) -> _TextConfig:
    try:
        config = json.loads(path.read_bytes())
        architecture = (config.get("architectures") or ["none"])[0]
    except OSError as exc:
        raise BaseError(f"{path} cannot be read: {exc.strerror}.") from exc
    except (ValueError, AttributeError, IndexError) as exc:
        raise BaseError(f"{path} is not a model configuration: {exc}.") from exc
    if quantization := config.get("quantization_config"):
        method = quantization.get("quant_method", "unknown") if isinstance(quantization, dict) else "unknown"
        raise BaseError(
            f"{path} describes a quantised checkpoint ({method}), which cannot be trained on: take the BF16 one."
        )
    match architecture:
        case "Mistral3ForConditionalGeneration":
            values = config.get("text_config") or {}
        case "Ministral3ForCausalLM":
            values = config
        case _:
            raise BaseError(
                f"{path} has architecture {architecture}, expected {WRAPPER_ARCHITECTURE} or {TEXT_ARCHITECTURE}."
            )
    if values.get("model_type") != "ministral3":
        raise BaseError(f"{path} has text model {values.get('model_type')}, expected ministral3.")
    needed = ("num_hidden_layers", "vocab_size", "hidden_size", "max_position_embeddings")
    if missing := [key for key in needed if not isinstance(values.get(key), int)]:
        raise BaseError(f"{path} lacks {', '.join(missing)}.")
    tied = values.get("tie_word_embeddings", config.get("tie_word_embeddings", False))
    return _TextConfig(values, says_tied=bool(tied))


def _is_tied(text: _TextConfig, shards: Sequence[Sequence[TensorEntry]], source: Path) -> bool:
    has_head = any(_new_name(entry) == _HEAD for entries in shards for entry in entries)
    if not has_head and not text.says_tied:
        raise BaseError(f"{source} has no {_HEAD}, and its {CONFIG_FILE} does not tie it to the embeddings.")
    return text.says_tied


def _new_name(entry: TensorEntry) -> str | None:
    """The tensor's name in a text-only checkpoint; None for the vision tower and its projector."""
    name = entry.name
    if _VISION.match(name):
        return None
    for old, new in (
        ("model.language_model.", "model."),
        ("language_model.model.", "model."),
        ("language_model.lm_head.", "lm_head."),
    ):
        if name.startswith(old):
            return new + name.removeprefix(old)
    if name.startswith(("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head.")):
        return name
    raise BaseError(f"{entry.file} holds {name}, which belongs to no part of this architecture.")


def _rename(entries: Sequence[TensorEntry], *, tied: bool) -> list[tuple[str, TensorEntry]]:
    named = [(name, entry) for entry in entries if (name := _new_name(entry)) is not None]
    return [(name, entry) for name, entry in named if not (tied and name == _HEAD)]


def _check_complete(
    plan: Sequence[Sequence[tuple[str, TensorEntry]]], text: _TextConfig, *, tied: bool, source: Path
) -> None:
    found: dict[str, TensorEntry] = {}
    for shard in plan:
        for name, entry in shard:
            if name in found:
                raise BaseError(f"{entry.file} holds {name} once more; {found[name].file.name} has it too.")
            found[name] = entry
    expected = {f"model.layers.{layer}.{part}.weight" for layer in range(text.layers) for part in _LAYER_TENSORS}
    expected |= {_EMBEDDING, "model.norm.weight"} | (set() if tied else {_HEAD})
    if missing := sorted(expected - found.keys()):
        raise BaseError(f"{source} lacks {len(missing)} tensors, among them {missing[0]}.")
    if odd := sorted(found.keys() - expected):
        raise BaseError(f"{found[odd[0]].file} holds {odd[0]}, which {CONFIG_FILE} does not account for.")
    for name in (_EMBEDDING,) if tied else (_EMBEDDING, _HEAD):
        if found[name].shape != text.embedding_shape:
            raise BaseError(
                f"{found[name].file} holds {name} of shape {list(found[name].shape)}, "
                f"expected {list(text.embedding_shape)}."
            )


def _write_config(
    work: Path, text: _TextConfig, *, tied: bool, dtype: Sequence[Sequence[tuple[str, TensorEntry]]]
) -> None:
    from transformers import Ministral3Config

    names = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
    embedding = next(entry for shard in dtype for name, entry in shard if name == _EMBEDDING)
    values = dict(text.values)
    values.pop("torch_dtype", None)
    values.pop("transformers_version", None)
    values |= {
        "architectures": [TEXT_ARCHITECTURE],
        "dtype": names[embedding.dtype],
        "tie_word_embeddings": tied,
    }
    try:
        Ministral3Config(**values).save_pretrained(work)
    except (TypeError, ValueError) as exc:
        raise BaseError(f"The checkpoint's text configuration cannot be used: {exc}.") from exc


def _load_tokenizer(folder: Path, *, shown: Path) -> ChainTokenizer:
    """Load the tokenizer and try it on a conversation, so that a base without its control tokens is refused."""
    try:
        tokenizer = ChainTokenizer.load(folder)
        tokenizer.encode_conversation(Conversation.of([Message(Role.SYSTEM, "a"), Message(Role.USER, "b")]))
    except BaseError as exc:
        raise BaseError(exc.message.replace(str(folder), str(shown))) from exc
    except (MistralCommonException, InvalidRequest, ValueError, KeyError, AssertionError) as exc:
        raise BaseError(f"{shown / TOKENIZER_FILE} cannot encode a conversation: {exc}.") from exc
    return tokenizer


def _write_weights(
    work: Path, plan: Sequence[Sequence[tuple[str, TensorEntry]]], *, on_bytes: Callable[[int], None]
) -> list[TensorEntry]:
    """Copy the shards; return where the embedding, and the head if untied, lie now."""
    shards = [shard for shard in plan if shard]
    names = (
        [SINGLE_FILE]
        if len(shards) == 1
        else [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    )
    written = [
        entry
        for shard, name in zip(shards, names, strict=True)
        for entry in copy_tensors(shard, work / name, on_bytes=on_bytes)
    ]
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(entry.bytes for entry in written)},
            "weight_map": {entry.name: entry.file.name for entry in written},
        }
        (work / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return [entry for entry in written if entry.name in (_EMBEDDING, _HEAD)]


def _set_control_rows(
    matrices: Sequence[TensorEntry], tekken: ClaimedTekken, tokenizer: ChainTokenizer
) -> tuple[str, ...]:
    """Set the chain's rows, and the conversation's where untrained, in every matrix; return their names."""
    frequent = [token for place in _FREQUENT_TOKENS if (token := tekken.special_count + place) < tekken.vocab_size]
    words = {**DESCRIPTIONS, **CONVERSATION_DESCRIPTIONS}
    names = list(TOKEN_NAMES)
    # The embedding comes first: what it says of the conversation's tokens holds for the head too.
    for matrix in sorted(matrices, key=lambda matrix: matrix.name != _EMBEDDING):
        ordinary = read_rows(matrix, frequent)
        untrained = Untrained.find(fillers=read_rows(matrix, tekken.fillers), ordinary=ordinary)
        if matrix.name == _EMBEDDING and untrained is not None:
            candidates = [name for name in CONVERSATION_DESCRIPTIONS if name in tekken.named]
            is_untrained = untrained.holds(read_rows(matrix, [tekken.named[name] for name in candidates]))
            names += [name for name, alone in zip(candidates, is_untrained.tolist(), strict=True) if alone]
        used = ordinary if untrained is None else ordinary[~untrained.holds(ordinary)]
        described = [read_rows(matrix, tokenizer.encode(words[name])) for name in names]
        if untrained is not None:
            described = [rows[~untrained.holds(rows)] for rows in described]
        norm = torch.linalg.norm(used, dim=1).median().item()
        ids = [tekken.slots[name] if name in tekken.slots else tekken.named[name] for name in names]
        write_rows(matrix, ids, described_rows(described, norm=norm))
    return tuple(names)


def _find_license(source: Path) -> str | None:
    readme = source / "README.md"
    if not readme.is_file():
        return None
    found = re.search(r"\A---\n.*?^license:\s*(\S+)\s*$", readme.read_text("utf-8", errors="replace"), re.M | re.S)
    return found.group(1) if found else None


@contextmanager
def _temporary_sibling(out: Path) -> Iterator[Path]:
    """A folder beside `out`, on the same disk so that it can be renamed; gone afterwards whatever happens."""
    out.parent.mkdir(parents=True, exist_ok=True)
    work = out.with_name(f".{out.name}.partial-{os.getpid()}")
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _replace(out: Path, work: Path) -> None:
    if out.is_dir():
        if any(out.iterdir()):
            shutil.rmtree(out)
        else:
            out.rmdir()
    work.rename(out)


@contextmanager
def _progress(console: Console | None, *, total: int) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("Copying the text model"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console or Console(quiet=True)) as progress:
        task = progress.add_task("copy", total=total)
        yield lambda count: progress.advance(task, count)
