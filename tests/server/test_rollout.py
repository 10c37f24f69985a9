from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from folders import BROKEN, MUTE, House, build_house, write_adapter
from stories import MODEL, until

from tear_chain.errors import AdapterError, AdapterMismatch, InvalidRequest, TearError, UnknownModel
from tear_chain.manifest import WEIGHTS_FILE
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.logs import TextLines
from tear_server.registry import AdapterBusy, AdapterConflict


@pytest.fixture
def house(tokenizer: ChainTokenizer, tmp_path: Path) -> House:
    return build_house(tokenizer, tmp_path)


def served(house: House) -> dict[str, str]:
    return {model: line.now.name for model, line in house.service.registry.lines}


# Loading


async def test_a_loaded_adapter_answers_from_then_on(house: House) -> None:
    line = await house.load("second")
    assert line.before is not None
    assert (line.now.name, line.before.name) == (house.name("second"), house.name("first"))
    reflection = await house.service.answer(house.plan(1))
    assert reflection.adapter == house.name("second")
    assert {each.adapter for each in house.engine.asked} == {house.name("second")}


async def test_the_engine_reads_a_copy(house: House) -> None:
    assert (await house.load("second")).now.folder.parent == house.copies


async def test_a_new_name_becomes_a_model_beside_the_default(house: House) -> None:
    await house.load("second", "small")
    assert house.service.models == (MODEL, f"{MODEL}-direct", "small", "small-direct")
    answers = [await house.service.answer(house.plan(number, name)) for number, name in enumerate((None, "small"))]
    assert [(each.model, each.adapter) for each in answers] == [
        (MODEL, house.name("first")),
        ("small", house.name("second")),
    ]


async def test_loading_what_is_served_changes_nothing(house: House) -> None:
    await house.load("second")
    line = await house.load("second")
    assert line.before is not None
    assert (line.now.name, line.before.name) == (house.name("second"), house.name("first"))


async def test_an_adapter_of_the_start_is_served_again_without_a_second_copy(house: House) -> None:
    await house.load("second")
    line = await house.load("first")
    assert (line.now.name, line.now.folder) == (house.name("first"), house.folder / "first")
    assert [path.name for path in house.copies.iterdir()] == [house.name("second")]


@pytest.mark.parametrize(
    ("weights", "changes", "error"),
    [
        (MUTE, {}, AdapterError),
        (BROKEN, {}, AdapterError),
        ("large", {"rank": 32}, AdapterError),
        ("foreign", {"base_fingerprint": "ffff"}, AdapterMismatch),
        ("old", {"format_version": 0}, AdapterMismatch),
    ],
    ids=["changes-nothing", "not-loaded", "rank", "base", "format"],
)
async def test_a_refused_adapter_leaves_all_as_it_was(
    house: House, weights: str, changes: dict[str, Any], error: type[TearError]
) -> None:
    write_adapter(house.folder / "bad", weights, **changes)
    for model in (MODEL, "small"):
        with pytest.raises(error):
            await house.load("bad", model)
    assert served(house) == {MODEL: house.name("first")}
    assert list(house.engine.loaded) == [house.name("first")]
    assert list(house.copies.iterdir()) == []
    assert house.told() == {name: house.name("first") for name in (MODEL, f"{MODEL}-direct")}


async def test_a_refusal_names_the_adapter_as_it_was_asked_for(house: House) -> None:
    write_adapter(house.folder / "bad", MUTE)
    with pytest.raises(AdapterError, match="The adapter in bad changes nothing"):
        await house.load("bad")


async def test_a_refused_name_costs_no_copy(house: House) -> None:
    with pytest.raises(InvalidRequest):
        await house.load("second", "small-direct")
    assert list(house.copies.iterdir()) == []


async def test_no_more_adapters_are_loaded_than_the_engine_holds(tokenizer: ChainTokenizer, tmp_path: Path) -> None:
    house = build_house(tokenizer, tmp_path, capacity=2)
    await house.load("second")
    with pytest.raises(AdapterConflict, match="2 adapters are loaded"):
        await house.load("third")
    await house.rollout.remove(house.name("first"), by=None)
    assert (await house.load("third")).now.name == house.name("third")


async def test_loads_at_once_are_done_one_after_the_other(house: House) -> None:
    house.engine.loads.clear()
    await asyncio.gather(house.load("second"), house.load("third"), house.load("second", "small"))
    assert house.engine.loads == ["begin", "end"] * 2
    assert served(house) == {MODEL: house.name("third"), "small": house.name("second")}


# Rolling back and removing


async def test_a_rollback_puts_the_version_before_back_and_a_second_one_undoes_it(house: House) -> None:
    await house.load("second")
    for expected in ("first", "second"):
        assert (await house.rollout.roll_back(MODEL, by=None)).now.name == house.name(expected)
        assert house.told()[MODEL] == house.name(expected)


@pytest.mark.parametrize(("model", "error"), [(MODEL, AdapterConflict), ("gpt", UnknownModel)])
async def test_what_has_no_version_before_is_not_rolled_back(house: House, model: str, error: type[TearError]) -> None:
    with pytest.raises(error, match=model):
        await house.rollout.roll_back(model, by=None)


async def test_a_version_whose_files_were_changed_is_not_put_back(house: House) -> None:
    await house.load("second")
    (house.folder / "first" / WEIGHTS_FILE).write_text("other")
    with pytest.raises(AdapterError, match=WEIGHTS_FILE):
        await house.rollout.roll_back(MODEL, by=None)
    assert served(house) == {MODEL: house.name("second")}


async def test_a_version_whose_folder_holds_another_now_is_not_put_back(house: House) -> None:
    first = house.name("first")
    await house.load("second")
    write_adapter(house.folder / "first", "other")
    with pytest.raises(AdapterError, match=first):
        await house.rollout.roll_back(MODEL, by=None)


async def test_a_removed_model_is_told_no_more_and_its_version_stays_loaded(house: House) -> None:
    await house.load("second", "small")
    assert await house.rollout.remove("small", by=None) == "model"
    assert set(house.told()) == {MODEL, f"{MODEL}-direct"}
    assert house.name("second") in house.engine.loaded


async def test_a_removed_version_is_unloaded_and_its_copy_deleted(house: House) -> None:
    await house.load("second")
    await house.load("third")
    assert await house.rollout.remove(house.name("second"), by=None) == "adapter"
    assert list(house.engine.loaded) == [house.name("first"), house.name("third")]
    assert [path.name for path in house.copies.iterdir()] == [house.name("third")]


async def test_removing_a_version_of_the_start_leaves_its_folder(house: House) -> None:
    first = house.name("first")
    await house.load("second")
    await house.rollout.remove(first, by=None)
    assert house.name("first") == first


@pytest.mark.parametrize("name", ["gpt", f"{MODEL}-direct", "witness-000000000000"])
async def test_what_is_neither_model_nor_version_is_unknown(house: House, name: str) -> None:
    with pytest.raises(UnknownModel, match=name):
        await house.rollout.remove(name, by=None)


# While reflections run


async def test_no_reflection_mixes_versions_however_often_they_change(house: House) -> None:
    async def answer(number: int) -> None:
        plan = house.plan(number)
        reflection = await house.service.answer(plan)
        used = {each.adapter for each in house.engine.asked if each.id.startswith(f"refl-{number}-")}
        assert used == {reflection.adapter} == {plan.request.adapter}

    async def change() -> None:
        for _ in range(10):
            for path in ("second", "third", "first"):
                await house.load(path)
            await house.rollout.roll_back(MODEL, by=None)

    async with asyncio.TaskGroup() as group:
        changing = group.create_task(change())
        number = 0
        while not changing.done():
            number += 1
            group.create_task(answer(number))
            await asyncio.sleep(0)
    assert len({each.adapter for each in house.engine.asked}) == 3


async def test_a_running_reflection_keeps_its_version_and_keeps_it_loaded(house: House) -> None:
    first, house.engine.hang_in = house.name("first"), Stage.WITNESS
    running = asyncio.create_task(house.service.answer(house.plan(1)))
    await until(lambda: Stage.WITNESS in house.engine.reached)
    await house.load("second")
    with pytest.raises(AdapterBusy, match=first):
        await house.rollout.remove(first, by=None)
    assert first in house.engine.loaded
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await house.rollout.remove(first, by=None) == "adapter"


async def test_a_plan_that_has_not_begun_keeps_its_version_loaded(house: House) -> None:
    plan = house.plan(1)
    await house.load("second")
    with pytest.raises(AdapterBusy):
        await house.rollout.remove(house.name("first"), by=None)
    assert (await house.service.answer(plan)).adapter == house.name("first")
    assert await house.rollout.remove(house.name("first"), by=None) == "adapter"


async def test_a_failed_reflection_is_in_flight_no_more(house: House) -> None:
    house.engine.fail_in = Stage.WITNESS
    with pytest.raises(TearError):
        await house.service.answer(house.plan(1))
    assert house.service.registry.in_flight(house.name("first")) == 0


async def test_a_change_keeps_the_count_of_what_is_in_flight(house: House) -> None:
    house.engine.hang_in = Stage.DRAFT
    running = asyncio.create_task(house.service.answer(house.plan(1)))
    await until(lambda: house.engine.reached)
    await house.load("second")
    assert house.service.metrics.registry.get_sample_value("tear_in_flight", {"model": MODEL}) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# What is said


async def test_metrics_say_what_is_served_and_nothing_that_was(house: House) -> None:
    await house.load("second")
    await house.load("third", "small")
    expected = {MODEL: "second", f"{MODEL}-direct": "second", "small": "third", "small-direct": "third"}
    assert house.told() == {model: house.name(path) for model, path in expected.items()}


async def test_a_new_models_series_begin_at_zero(house: House) -> None:
    await house.load("second", "small")
    found = house.service.metrics.registry.get_sample_value(
        "tear_reflections_total", {"model": "small-direct", "outcome": "failed"}
    )
    assert found == 0


async def test_every_change_is_one_line_of_the_log_and_says_who(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tear.adapters")
    first, second = house.name("first"), house.name("second")
    await house.load("second")
    await house.rollout.roll_back(MODEL, by="ops")
    await house.load("second", "small")
    await house.rollout.remove("small", by="ops")
    await house.rollout.remove(second, by=None)
    assert [(record.getMessage(), fields(record)) for record in caplog.records] == [
        (f"{second} is served as {MODEL}", {"before": first, "by": "ops"}),
        (f"{first} is served as {MODEL}", {"before": second, "by": "ops"}),
        (f"{second} is served as small", {"by": "ops"}),
        ("small is served no more", {"adapter": second, "by": "ops"}),
        (f"{second} is unloaded", {}),
    ]


async def test_a_refused_change_is_one_line_of_the_log_whatever_was_asked(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidRequest):
        await house.load("../x\ny", "small\n")
    [record] = caplog.records
    line = TextLines().format(record)
    assert (record.levelname, "\n" in line) == ("WARNING", False)
    assert "A load was refused" in line
    assert fields(record) | {"why": ""} == {
        "name": r"'small\n'",
        "path": r"'../x\ny'",
        "why": "",
        "code": "invalid_request",
        "by": "ops",
    }


def fields(record: logging.LogRecord) -> Mapping[str, object]:
    found: Mapping[str, object] = record.fields  # type: ignore[attr-defined]
    return found
