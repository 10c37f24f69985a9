from __future__ import annotations

import gc
from pathlib import Path

import pytest
from stories import MANIFEST, MODEL

from tear_chain.artifact import FileEntry
from tear_chain.errors import InvalidRequest, UnknownModel
from tear_server.adapters import Adapter
from tear_server.registry import AdapterBusy, AdapterConflict, Registry


class Work:
    """Something that is being answered."""


def version(name: str) -> Adapter:
    files = {"adapter_model.safetensors": FileEntry(bytes=1, sha256=name)}
    return Adapter(Path(name), MANIFEST.model_copy(update={"files": files}))


FIRST, SECOND, THIRD = version("first"), version("second"), version("third")


@pytest.fixture
def registry() -> Registry:
    return Registry(MODEL, FIRST)


def test_a_name_and_its_twin_stand_for_one_version(registry: Registry) -> None:
    served = [registry.look(name) for name in (None, MODEL, f"{MODEL}-direct")]
    assert [(each.model, each.adapter, each.reflects) for each in served] == [
        (MODEL, FIRST.name, True),
        (MODEL, FIRST.name, True),
        (f"{MODEL}-direct", FIRST.name, False),
    ]


def test_a_new_name_is_a_new_model_with_a_twin(registry: Registry) -> None:
    registry.serve("small", SECOND)
    assert registry.models == (MODEL, f"{MODEL}-direct", "small", "small-direct")
    assert registry.look("small-direct").adapter == SECOND.name
    assert registry.look(None).adapter == FIRST.name


@pytest.mark.parametrize("name", ["gpt", "-direct", f"{MODEL}-direct-direct", FIRST.name])
def test_any_other_name_is_unknown(registry: Registry, name: str) -> None:
    with pytest.raises(UnknownModel, match=f"`{name}`"):
        registry.look(name)


@pytest.mark.parametrize(
    "name", ["", " ", " small", "small\n", "small-direct", "witness-0123456789ab", "x" * 129, "a\x1b[2J"]
)
def test_a_name_that_would_stand_in_the_way_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        registry.serve(name, SECOND)
    assert refused.value.param == "model"
    assert registry.models == (MODEL, f"{MODEL}-direct")


def test_what_was_looked_up_before_a_change_stays_as_it_was(registry: Registry) -> None:
    before = registry.look(MODEL)
    registry.serve(MODEL, SECOND)
    assert (before.adapter, registry.look(MODEL).adapter) == (FIRST.name, SECOND.name)


def test_the_version_before_is_remembered(registry: Registry) -> None:
    assert registry.line(MODEL).before is None
    for adapter, before in ((SECOND, FIRST), (THIRD, SECOND), (FIRST, THIRD)):
        line = registry.serve(MODEL, adapter)
        assert (line.now, line.before) == (adapter, before)


def test_serving_what_is_served_forgets_no_version_before(registry: Registry) -> None:
    registry.serve(MODEL, SECOND)
    line = registry.serve(MODEL, SECOND)
    assert (line.now, line.before) == (SECOND, FIRST)


def test_a_stopped_model_is_unknown_and_its_version_stays(registry: Registry) -> None:
    registry.serve("small", SECOND)
    assert registry.stop("small") == SECOND
    with pytest.raises(UnknownModel):
        registry.look("small")
    assert registry.versions == (FIRST, SECOND)


def test_the_default_model_is_never_stopped(registry: Registry) -> None:
    with pytest.raises(AdapterConflict, match=MODEL):
        registry.stop(MODEL)
    assert registry.look(None).adapter == FIRST.name


def test_a_version_that_is_served_is_not_forgotten(registry: Registry) -> None:
    registry.serve("small", FIRST)
    with pytest.raises(AdapterConflict, match=f"{MODEL}, small"):
        registry.forget(FIRST.name)
    assert registry.versions == (FIRST,)


def test_a_version_in_use_is_not_forgotten(registry: Registry) -> None:
    work, more = Work(), Work()
    for each in (work, more, work):
        registry.hold(each, FIRST.name)
    registry.serve(MODEL, SECOND)
    assert registry.in_flight(FIRST.name) == 2
    with pytest.raises(AdapterBusy, match="2 reflections run"):
        registry.forget(FIRST.name)
    registry.release(work, FIRST.name)
    with pytest.raises(AdapterBusy, match="1 reflection runs"):
        registry.forget(FIRST.name)
    registry.release(more, FIRST.name)
    assert registry.forget(FIRST.name) == FIRST


def test_work_that_was_dropped_before_it_ran_counts_no_more(registry: Registry) -> None:
    work = Work()
    registry.hold(work, FIRST.name)
    del work
    gc.collect()
    assert registry.in_flight(FIRST.name) == 0


def test_what_a_rollback_would_put_back_can_be_forgotten_and_then_there_is_none(registry: Registry) -> None:
    registry.serve(MODEL, SECOND)
    registry.forget(FIRST.name)
    assert registry.line(MODEL).before is None
    assert registry.versions == (SECOND,)


def test_releasing_what_is_not_held_is_no_error(registry: Registry) -> None:
    registry.release(Work(), "witness-000000000000")
    assert registry.in_flight("witness-000000000000") == 0
