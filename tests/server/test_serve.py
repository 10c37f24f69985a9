from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from tear_chain.errors import AdapterError, ArtifactError, BaseError, InvalidRequest
from tear_server.serve import bind, serve
from tear_server.settings import ServerSettings


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TEAR_")]:
        monkeypatch.delenv(name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_taken_port_is_named_before_anything_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidRequest, match=str(port)) as refused:
            await serve(ServerSettings(base=tmp_path / "none", adapter=tmp_path / "none", port=port))
    assert refused.value.param == "port"


async def test_no_event_waits_for_the_one_before_to_be_acknowledged() -> None:
    accepted: asyncio.Queue[int] = asyncio.Queue()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with bind("127.0.0.1", 0) as listener:
        async with await asyncio.start_server(accept, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            assert await accepted.get() != 0
            writer.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"], ids=["foreign", "foreign-v6"])
async def test_an_address_that_is_not_here_is_named(tmp_path: Path, host: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await serve(ServerSettings(base=tmp_path, adapter=tmp_path, host=host, port=0, anyone=True))
    assert "Cannot listen" in refused.value.message
    assert host in refused.value.message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "tear.example"])
async def test_no_door_is_opened_to_other_machines_without_keys(tmp_path: Path, host: str) -> None:
    with pytest.raises(InvalidRequest, match="no keys are set") as refused:
        await serve(ServerSettings(base=tmp_path, adapter=tmp_path, host=host, port=0))
    assert refused.value.param == "host"


async def test_what_is_served_cannot_be_changed_by_anybody_from_other_machines(tmp_path: Path) -> None:
    settings = ServerSettings(
        base=tmp_path, adapter=tmp_path, host="0.0.0.0", port=0, anyone=True, adapters_dir=tmp_path
    )
    with pytest.raises(InvalidRequest, match="admin key") as refused:
        await serve(settings)
    assert refused.value.param == "adapters_dir"


async def test_a_file_of_keys_that_is_none_stops_the_start(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text("alice: {sha256: short}")
    with pytest.raises(InvalidRequest, match=r"alice\.sha256"):
        await serve(ServerSettings(base=tmp_path, adapter=tmp_path, port=0, keys=keys))


async def test_a_missing_base_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseError) as refused:
        await serve(ServerSettings(base=tmp_path / "none", adapter=tmp_path, port=0))
    assert str(tmp_path / "none") in refused.value.message


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tekken.json", "tear_base.json"])
async def test_a_truncated_base_is_refused_naming_the_file(tmp_path: Path, nano_base: Path, name: str) -> None:
    base = tmp_path / "base"
    shutil.copytree(nano_base, base)
    (base / name).write_bytes((base / name).read_bytes()[:100])
    with pytest.raises(BaseError, match=name):
        await serve(ServerSettings(base=base, adapter=tmp_path, port=0))


async def test_a_missing_adapter_is_named(tmp_path: Path, nano_base: Path) -> None:
    with pytest.raises(AdapterError) as refused:
        await serve(ServerSettings(base=nano_base, adapter=tmp_path / "none", port=0))
    assert str(tmp_path / "none") in refused.value.message


async def test_a_refused_start_leaves_its_port_free(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(ArtifactError):
        await serve(ServerSettings(base=tmp_path / "none", adapter=tmp_path, port=port))
    with socket.create_server(("127.0.0.1", port)):
        gc.collect()  # a socket left open would be reported here


async def test_a_refused_start_does_not_wait_for_vllm(tmp_path: Path) -> None:
    loaded = "vllm" in sys.modules
    with pytest.raises(ArtifactError):
        await serve(ServerSettings(base=tmp_path / "none", adapter=tmp_path, port=0))
    assert ("vllm" in sys.modules) == loaded


async def test_what_would_break_the_chain_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"model \(there is a setting") as refused:
        await serve(ServerSettings(base=tmp_path / "none", adapter=tmp_path, port=0, engine_args={"model": "other"}))
    assert refused.value.param == "engine_args"
