"""Laws of trackers: what is asked for is written, here, and nothing is asked of anybody else."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from training.runs import config, lines

from tear_chain.errors import DataError
from tear_training.train import train

TOLD = ("response", "consequence", "lambda", "learning_rate", "loss")


@pytest.fixture(scope="module")
def followed(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pass of two steps that all three trackers follow."""
    out = tmp_path_factory.mktemp("followed") / "out"
    settings = config(trackers=["tensorboard", "trackio", "wandb"])
    with pytest.MonkeyPatch.context() as patch:
        # Read when trackio is imported, which happens when it is asked for.
        patch.setenv("TRACKIO_DIR", str(out.parent / "trackio"))
        train(settings.model_copy(update={"passes": settings.passes[:1]}), tiny_base, out, folder=out.parent)
    return out


def of_tensorboard(out: Path) -> dict[str, list[float]]:
    reader = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    found = reader.EventAccumulator(str(out / "tensorboard" / "warmth"))
    found.Reload()
    return {name: [event.value for event in found.Scalars(f"train/{name}")] for name in TOLD}


def of_trackio(out: Path) -> dict[str, list[float]]:
    storage = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
    said = storage.get_logs("the-tear", "tiny-warmth")
    return {name: [line[f"train/{name}"] for line in said if f"train/{name}" in line] for name in TOLD}


def of_wandb(out: Path) -> dict[str, list[float]]:
    records = importlib.import_module("wandb.proto.wandb_internal_pb2")
    (path,) = out.glob("wandb/offline-run-*/run-*.wandb")
    found: dict[str, list[float]] = {name: [] for name in TOLD}
    for data in wandb_records(path.read_bytes()):
        record = records.Record.FromString(data)
        for item in record.history.item:
            name = (item.key or item.nested_key[-1]).removeprefix("train/")
            if name in found:
                found[name].append(float(item.value_json))
    return found


def wandb_records(file: bytes) -> Iterator[bytes]:
    """What an offline run holds: after seven bytes LevelDB's log, blocks of 32 KiB with records in pieces."""
    place, whole = 7, b""
    while (left := -place % 32768 or 32768) and place < len(file):
        if left < 7:
            place += left
            continue
        _, size, piece = struct.unpack_from("<IHB", file, place)
        whole += file[place + 7 : place + 7 + size]
        place += 7 + size
        if piece in (1, 4):
            yield whole
            whole = b""


@pytest.mark.parametrize("read", [of_tensorboard, of_trackio, of_wandb])
def test_a_tracker_is_told_what_the_log_is_told(read: Callable[[Path], dict[str, list[float]]], followed: Path) -> None:
    said, log = read(followed), lines(followed / "steps.jsonl")
    assert log
    for name in TOLD:
        assert said[name] == pytest.approx([line[name] for line in log], rel=1e-6), name


def test_without_trackers_nothing_but_the_run_is_written(tiny_base: Path, tmp_path: Path) -> None:
    settings = config()
    train(settings.model_copy(update={"passes": settings.passes[:1]}), tiny_base, tmp_path / "out", folder=tmp_path)
    assert not [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()]


def test_a_tracker_that_is_not_installed_is_named_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str, *rest: Any) -> object:
        return None if name == "trackio" else object()

    monkeypatch.setattr("importlib.util.find_spec", find)
    with pytest.raises(DataError, match=r"trackio not installed.*the-tear\[trackers\]"):
        train(config(trackers=["wandb", "trackio"]), tmp_path / "no-base", tmp_path / "out", folder=tmp_path)
