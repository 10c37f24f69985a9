"""What a replica decides by itself; what Ray does with it is held by tests/cluster."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from stories import KEPT, play, service_over
from versions import second_version

from tear_chain.errors import AdapterError, AdapterMismatch, InvalidRequest
from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import open_adapter
from tear_server.embedded import STOP_S
from tear_server.replica import NAME, SCRAPE_LIMIT_S, SPARE_S, UserConfig, build, serve_adapter
from tear_server.serve import GRACE_S
from tear_server.service import Service
from tear_server.settings import ServerSettings

ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "deploy" / "ray" / "serve.yaml"
PAGE = ROOT / "docs" / "ray.md"


@pytest.fixture
def served(tokenizer: ChainTokenizer, nano_base: Path, nano_adapter: Path) -> Service:
    base = load_prepared(nano_base)
    adapter = open_adapter(nano_adapter, base)
    bare = service_over(play(tokenizer, KEPT), tokenizer)
    return replace(bare, base=base, adapter=adapter.name, manifest=adapter.manifest)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment, without a setting."""
    for name in [name for name in os.environ if name.startswith("TEAR_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_no_door_is_opened_without_keys_unless_said(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("TEAR_BASE", "base")
    settings.setenv("TEAR_ADAPTER", "adapter")
    with pytest.raises(InvalidRequest, match="no keys are set") as refused:
        build({})
    assert refused.value.param == "keys"


def test_a_setting_given_as_an_argument_is_refused_by_name(settings: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match="was given adapter, base"):
        build({"adapter": "second", "base": "base"})


def test_settings_that_are_missing_are_named(settings: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match=r"TEAR_BASE\) is missing; .*TEAR_ADAPTER\) is missing"):
        build({})


async def test_the_adapter_that_is_served_may_be_named_from_any_folder(
    served: Service, nano_adapter: Path, tmp_path: Path
) -> None:
    await serve_adapter(served, Path(shutil.copytree(nano_adapter, tmp_path / "copy")))


async def test_another_adapter_is_refused_naming_both(served: Service, nano_adapter: Path, tmp_path: Path) -> None:
    other = second_version(nano_adapter, tmp_path / "second")
    with pytest.raises(AdapterMismatch) as refused:
        await serve_adapter(served, other)
    assert served.adapter in refused.value.message
    assert open_adapter(other, served.base).name in refused.value.message


async def test_a_folder_without_an_adapter_is_refused(served: Service, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"no manifest\.json"):
        await serve_adapter(served, tmp_path)


def test_a_word_that_user_config_does_not_know_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="adaptor"):
        UserConfig.model_validate({"adapter": "second", "adaptor": "second"})


def test_the_config_file_deploys_this_application() -> None:
    [application] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["applications"]
    module, _, attribute = application["import_path"].partition(":")
    assert (module, attribute) == (build.__module__, build.__name__)
    assert [deployment["name"] for deployment in application["deployments"]] == [NAME]


@pytest.mark.parametrize("file", [CONFIG, PAGE], ids=["serve.yaml", "ray.md"])
def test_no_variable_is_named_that_is_no_setting(file: Path) -> None:
    named = set(re.findall(r"\bTEAR_[A-Z_]*[A-Z]\b", file.read_text(encoding="utf-8")))
    assert {"TEAR_BASE", "TEAR_ADAPTER"} <= named
    assert named <= {f"TEAR_{name.upper()}" for name in ServerSettings.model_fields}


def test_the_page_tells_how_long_things_take_at_most() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"vLLM has its {STOP_S} seconds; what is left after {GRACE_S + STOP_S + SPARE_S} seconds in all" in page
    assert f"within {SCRAPE_LIMIT_S:g} seconds" in page
