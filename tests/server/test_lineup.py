from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tear_chain.errors import AdapterError, AdapterMismatch, BaseError, InvalidRequest
from tear_chain.manifest import load_manifest, save_manifest
from tear_server.lineup import MAX_ADAPTERS, base_folder, read_lineup
from tear_server.merge import merge_adapter
from tear_server.settings import ServerSettings


@pytest.fixture
def twin(tmp_path: Path, nano_adapter: Path) -> Path:
    """Nano's adapter under another folder."""
    return Path(shutil.copytree(nano_adapter, tmp_path / "twin"))


@pytest.fixture
def other(tmp_path: Path, nano_adapter: Path) -> Path:
    """Another version: it is described as such, which is all that is read here."""
    folder = Path(shutil.copytree(nano_adapter, tmp_path / "other"))
    manifest = load_manifest(folder)
    files = {**manifest.files, "training.yaml": manifest.files["adapter_config.json"]}
    shutil.copyfile(folder / "adapter_config.json", folder / "training.yaml")
    save_manifest(folder, manifest.model_copy(update={"files": files, "rank": 24}))
    return folder


def settings(base: Path, adapter: Path | None, **more: Any) -> ServerSettings:
    return ServerSettings(base=base, adapter=adapter, **more)


def test_one_adapter_is_the_default_models(nano_base: Path, nano_adapter: Path) -> None:
    lineup = read_lineup(settings(nano_base, nano_adapter))
    assert (lineup.default, lineup.capacity, lineup.max_rank, lineup.is_merged) == ("tear-nano", 1, 16, False)
    assert lineup.registry().models == ("tear-nano", "tear-nano-direct")


def test_further_models_have_adapters_of_their_own(nano_base: Path, nano_adapter: Path, other: Path) -> None:
    lineup = read_lineup(settings(nano_base, nano_adapter, name="main", models={"small": other}))
    assert (lineup.default, len(lineup.versions), lineup.capacity, lineup.max_rank) == ("main", 2, 2, 24)
    registry = lineup.registry()
    assert registry.models == ("main", "main-direct", "small", "small-direct")
    assert registry.look("small").adapter != registry.look("main").adapter
    assert registry.line("main").before is None


def test_two_models_of_one_version_need_it_loaded_once(nano_base: Path, nano_adapter: Path, twin: Path) -> None:
    lineup = read_lineup(settings(nano_base, nano_adapter, models={"small": twin}))
    assert (len(lineup.versions), lineup.capacity) == (1, 1)


@pytest.mark.parametrize(("given", "capacity"), [(None, MAX_ADAPTERS), (3, 3)])
def test_where_adapters_come_at_run_time_there_is_room_for_them(
    nano_base: Path, nano_adapter: Path, tmp_path: Path, given: int | None, capacity: int
) -> None:
    lineup = read_lineup(settings(nano_base, nano_adapter, adapters_dir=tmp_path, max_adapters=given))
    assert lineup.capacity == capacity


def test_the_largest_rank_can_be_said(nano_base: Path, nano_adapter: Path) -> None:
    assert read_lineup(settings(nano_base, nano_adapter, max_lora_rank=64)).max_rank == 64


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"models": {"tear-nano": "OTHER"}}, "models"),
        ({"models": {"small-direct": "OTHER"}}, "model"),
        ({"name": "tear-direct"}, "model"),
        ({"models": {"small": "OTHER"}, "max_adapters": 1}, "max_adapters"),
        ({"models": {"small": "OTHER"}, "max_lora_rank": 16}, "max_lora_rank"),
        ({"adapters_dir": Path("nowhere")}, "adapters_dir"),
        ({"adapter": None}, "adapter"),
        ({"adapter": None, "merge": True}, "adapter"),
        ({"merge": True, "models": {"small": "OTHER"}}, "merge"),
        ({"merge_into": Path("m"), "adapters_dir": Path(".")}, "merge"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else value,
)
def test_settings_that_do_not_go_together_are_refused(
    nano_base: Path, nano_adapter: Path, other: Path, changes: dict[str, Any], param: str
) -> None:
    given = {"base": nano_base, "adapter": nano_adapter, **changes}
    if "models" in given:
        given["models"] = dict.fromkeys(given["models"], other)
    with pytest.raises(InvalidRequest) as refused:
        read_lineup(ServerSettings(**given)).registry()
    assert refused.value.param == param


def test_each_folder_that_cannot_be_used_is_named(nano_base: Path, nano_adapter: Path, tmp_path: Path) -> None:
    for adapter, models in ((tmp_path / "none", {}), (nano_adapter, {"small": tmp_path / "none"})):
        with pytest.raises(AdapterError, match=str(tmp_path / "none")):
            read_lineup(settings(nano_base, adapter, models=models))


# Merged


@pytest.mark.parametrize("kept", [False, True], ids=["--merge", "--merge-into"])
async def test_a_merge_makes_a_base_for_the_engine_and_keeps_it_if_asked(
    nano_base: Path, nano_adapter: Path, tmp_path: Path, kept: bool
) -> None:
    given = {"merge_into": tmp_path / "kept"} if kept else {"merge": True}
    asked = settings(nano_base, nano_adapter, **given)
    lineup = read_lineup(asked)
    assert (lineup.is_merged, lineup.versions) == (True, ())
    async with base_folder(lineup, asked) as folder:
        assert (folder / "model.safetensors").read_bytes() != (nano_base / "model.safetensors").read_bytes()
        assert (folder == tmp_path / "kept") == kept
    assert folder.exists() == kept
    async with base_folder(lineup, asked) as again:
        assert (again == folder) == kept


async def test_a_merged_base_is_served_without_an_adapter_under_the_version_in_it(
    nano_base: Path, nano_adapter: Path, tmp_path: Path
) -> None:
    adapter = merge_adapter(nano_base, nano_adapter, tmp_path / "merged")
    asked = settings(tmp_path / "merged", None)
    lineup = read_lineup(asked)
    assert (lineup.is_merged, lineup.versions) == (True, ())
    assert lineup.registry().look(None).adapter == adapter.name
    async with base_folder(lineup, asked) as folder:
        assert folder == tmp_path / "merged"
    with pytest.raises(InvalidRequest, match="--adapters-dir"):
        read_lineup(settings(tmp_path / "merged", None, adapters_dir=tmp_path))


def test_a_merged_base_does_not_take_the_adapter_once_more(nano_base: Path, nano_adapter: Path, tmp_path: Path) -> None:
    merge_adapter(nano_base, nano_adapter, tmp_path / "merged")
    with pytest.raises(AdapterMismatch):
        read_lineup(settings(tmp_path / "merged", nano_adapter))


def test_a_base_that_lost_the_manifest_of_what_is_in_it_is_damaged(
    nano_base: Path, nano_adapter: Path, tmp_path: Path
) -> None:
    merge_adapter(nano_base, nano_adapter, tmp_path / "merged")
    (tmp_path / "merged" / "merged_adapter.json").unlink()
    with pytest.raises(BaseError, match=r"merged_adapter\.json"):
        read_lineup(settings(tmp_path / "merged", None))


async def test_what_a_start_without_an_adapter_lacks_is_said(nano_base: Path) -> None:
    with pytest.raises(InvalidRequest, match="TEAR_ADAPTER"):
        read_lineup(settings(nano_base, None))
