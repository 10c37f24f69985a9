"""What a replica decides by itself; what Ray does with it is held by tests/cluster."""

from __future__ import annotations

import os
import re
import traceback
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import yaml
from folders import MUTE, build_house, write_adapter
from pydantic import ValidationError
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from stories import MODEL

from tear_chain.errors import AdapterError, InvalidRequest
from tear_chain.tokenizer import ChainTokenizer
from tear_server.embedded import STOP_S
from tear_server.replica import NAME, SCRAPE_LIMIT_S, SPARE_S, BehindRay, UserConfig, build, serve_adapter
from tear_server.rollout import AdaptersOff
from tear_server.settings import ServerSettings

SECRET = "what a person wrote"
ROOT = Path(__file__).parent.parent.parent
CONFIG = ROOT / "deploy" / "ray" / "serve.yaml"
PAGE = ROOT / "docs" / "ray.md"


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
    with pytest.raises(InvalidRequest, match=r"TEAR_BASE\) is missing"):
        build({})


async def test_another_adapter_answers_from_the_change_on(tokenizer: ChainTokenizer, tmp_path: Path) -> None:
    house = build_house(tokenizer, tmp_path)
    await serve_adapter(house.service, "second")
    assert house.service.look(None).adapter == house.name("second")
    assert house.told()[MODEL] == house.name("second")


async def test_an_adapter_named_once_more_changes_nothing(tokenizer: ChainTokenizer, tmp_path: Path) -> None:
    house = build_house(tokenizer, tmp_path)
    await serve_adapter(house.service, "first")
    assert house.service.look(None).adapter == house.name("first")
    assert set(house.engine.loaded) == {house.name("first")}


async def test_changes_without_end_fill_no_replica(tokenizer: ChainTokenizer, tmp_path: Path) -> None:
    house = build_house(tokenizer, tmp_path, capacity=2)
    for path in ("second", "third", "second", "third"):
        await serve_adapter(house.service, path)
        assert house.service.look(None).adapter == house.name(path)
    assert len(house.engine.loaded) == 2


async def test_a_version_in_use_is_kept_until_it_is_idle(tokenizer: ChainTokenizer, tmp_path: Path) -> None:
    house = build_house(tokenizer, tmp_path)
    held = house.plan(1)
    for path in ("second", "third"):
        await serve_adapter(house.service, path)
    assert held.request.adapter == house.name("first") in house.engine.loaded
    assert (await house.service.answer(held)).adapter == house.name("first")
    await serve_adapter(house.service, "second")
    assert house.name("first") not in house.engine.loaded


async def test_an_adapter_that_cannot_be_served_leaves_the_one_before(
    tokenizer: ChainTokenizer, tmp_path: Path
) -> None:
    house = build_house(tokenizer, tmp_path)
    write_adapter(house.folder / "mute", MUTE)
    with pytest.raises(AdapterError, match="changes nothing"):
        await serve_adapter(house.service, "mute")
    assert house.service.look(None).adapter == house.name("first")


async def test_without_a_folder_of_adapters_none_is_changed(tokenizer: ChainTokenizer, tmp_path: Path) -> None:
    house = build_house(tokenizer, tmp_path)
    with pytest.raises(AdaptersOff, match="TEAR_ADAPTERS_DIR is not set"):
        await serve_adapter(replace(house.service, rollout=None), "second")


async def answer_and_fail(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("sorry", 500, headers={"x-request-id": "mine"})(scope, receive, send)
    raise ValueError(SECRET)


async def break_off(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", b"mine")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError(SECRET)


async def test_the_request_id_is_left_to_ray() -> None:
    reply = await ask(BehindRay(PlainTextResponse("hello", headers={"x-request-id": "mine", "x-other": "kept"})))
    assert (reply.text, reply.headers.get("x-request-id"), reply.headers["x-other"]) == ("hello", None, "kept")


async def test_a_failure_that_was_answered_does_not_reach_ray(caplog: pytest.LogCaptureFixture) -> None:
    reply = await ask(BehindRay(answer_and_fail))
    assert (reply.status_code, reply.text) == (500, "sorry")
    assert [record.levelname for record in caplog.records if record.name == "tear.replica"] == ["ERROR"]


async def test_a_reply_that_broke_off_breaks_off_for_ray_without_a_word_of_why() -> None:
    with pytest.raises(RuntimeError, match="broke off") as told:
        await ask(BehindRay(break_off))
    assert SECRET not in "".join(traceback.format_exception(told.value))


async def ask(app: ASGIApp) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as client:
        return await client.get("/")


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
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    drain_s = ServerSettings.model_fields["drain_seconds"].default
    assert f"vLLM has its {STOP_S} seconds; what is left after {drain_s + STOP_S + SPARE_S:g} seconds in all" in page
    assert f"within {SCRAPE_LIMIT_S:g} seconds" in page
