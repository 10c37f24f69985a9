from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fake_hub import TOKEN, FakeHub, open_hub
from live.conftest import LiveServer, start_server

from tear_chain.tokenizer import ChainTokenizer

ROOT = Path(__file__).parent.parent
NANO_BASE = ROOT / "training" / "nano" / "base"
NANO_ADAPTER = ROOT / "training" / "nano" / "adapter"


@pytest.fixture(scope="session")
def nano_base() -> Path:
    return NANO_BASE


@pytest.fixture(scope="session")
def nano_adapter() -> Path:
    return NANO_ADAPTER


@pytest.fixture(scope="session")
def tokenizer(nano_base: Path) -> ChainTokenizer:
    return ChainTokenizer.load(nano_base)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, nano_base: Path, nano_adapter: Path) -> Iterator[LiveServer]:
    """One real server for the whole session, whoever asks for it."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "adapters").mkdir()
    with start_server(folder, nano_base, nano_adapter, "--adapters-dir", str(folder / "adapters")) as server:
        yield server


@pytest.fixture(scope="session")
def http(live: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=120) as client:
        yield client


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A model hub on this machine, with huggingface_hub set as its variables would set it."""
    with open_hub() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all that shares a server on one of pytest-xdist's workers, and on another what starts its own."""
    for item in items:
        folder = item.path.parent.name
        if folder == "conformance" or "live" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("shared"))
        elif folder in ("live", "faults"):
            item.add_marker(pytest.mark.xdist_group("own"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refuse-skips", action="store_true", help="fail when any test was skipped")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--refuse-skips") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
