"""Safetensors checkpoints as ranges of bytes: read headers, copy tensors, read and write single rows.

Whole tensors are never held, so a checkpoint of any size passes through a fixed small buffer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tear_chain.errors import BaseError

INDEX_FILE = "model.safetensors.index.json"
SINGLE_FILE = "model.safetensors"
DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
_BLOCK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where a tensor lies: `file[start:stop]`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    stop: int

    @property
    def bytes(self) -> int:
        """Its size."""
        return self.stop - self.start


def find_shards(folder: Path) -> list[Path]:
    """The weight files of a Hugging Face checkpoint folder, in order; `BaseError` if one is missing."""
    index = folder / INDEX_FILE
    if not index.is_file():
        single = folder / SINGLE_FILE
        if not single.is_file():
            raise BaseError(f"{folder} has neither {INDEX_FILE} nor {SINGLE_FILE}.")
        return [single]
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BaseError(f"{index} is not an index of safetensors files.") from exc
    shards = [folder / name for name in names]
    for shard in shards:
        if shard.parent != folder or not shard.is_file():
            raise BaseError(f"{shard}, listed in {INDEX_FILE}, does not exist in {folder}.")
    return shards


def read_entries(shard: Path) -> list[TensorEntry]:
    """The tensors of one file in the order of their bytes; `BaseError` if the file is damaged or quantised."""
    try:
        # The library validates what the few lines below take for granted.
        with safe_open(shard, framework="pt"):
            pass
    except (SafetensorError, OSError, ValueError) as exc:
        raise BaseError(f"{shard} cannot be read as safetensors: {exc}.") from exc
    with shard.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    entries = []
    for name, info in header.items():
        if name == "__metadata__":
            continue
        begin, end = info["data_offsets"]
        if info["dtype"] not in DTYPES:
            raise BaseError(
                f"{shard} holds {name} as {info['dtype']}; expected one of {', '.join(DTYPES)}. "
                "Quantised checkpoints such as FP8 cannot be trained on: take the BF16 one."
            )
        data = 8 + length
        entries.append(TensorEntry(name, info["dtype"], tuple(info["shape"]), shard, data + begin, data + end))
    return sorted(entries, key=lambda entry: entry.start)


def copy_tensors(
    entries: Sequence[tuple[str, TensorEntry]], target: Path, *, on_bytes: Callable[[int], None]
) -> list[TensorEntry]:
    """Write `(new name, tensor)` pairs into a new safetensors file; return where they lie there."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, entry in entries:
        header[name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [place, place + entry.bytes],
        }
        place += entry.bytes
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    written = []
    with target.open("wb") as out:
        out.write(len(head).to_bytes(8, "little"))
        out.write(head)
        for name, entry in entries:
            start = out.tell()
            with entry.file.open("rb") as source:
                source.seek(entry.start)
                left = entry.bytes
                while left:
                    block = source.read(min(left, _BLOCK_BYTES))
                    if not block:
                        raise BaseError(f"{entry.file} ended while {entry.name} was read.")
                    out.write(block)
                    left -= len(block)
                    on_bytes(len(block))
            written.append(TensorEntry(name, entry.dtype, entry.shape, target, start, out.tell()))
    return written


def read_rows(matrix: TensorEntry, rows: Sequence[int]) -> Tensor:
    """Rows of a matrix in its file, as float32 `(len(rows), width)`."""
    dtype, width = DTYPES[matrix.dtype], math.prod(matrix.shape[1:])
    found = torch.empty(len(rows), width)
    with matrix.file.open("rb") as file:
        for place, row in enumerate(rows):
            file.seek(matrix.start + row * width * dtype.itemsize)
            found[place] = torch.frombuffer(bytearray(file.read(width * dtype.itemsize)), dtype=dtype).float()
    return found


def write_rows(matrix: TensorEntry, rows: Sequence[int], values: Tensor) -> None:
    """Write `values` `(len(rows), width)` over rows of a matrix in its file, in the file's dtype."""
    dtype, width = DTYPES[matrix.dtype], math.prod(matrix.shape[1:])
    with matrix.file.open("r+b") as file:
        for row, value in zip(rows, values, strict=True):
            file.seek(matrix.start + row * width * dtype.itemsize)
            file.write(value.to(dtype).contiguous().view(torch.uint8).numpy().tobytes())
