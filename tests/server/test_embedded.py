"""How a generation ends; that there is one is held by `tests/live`, and how it breaks off by `tests/faults`."""

from __future__ import annotations

import pytest

from tear_chain.errors import EngineDead, EngineError
from tear_server.embedded import _finish
from tear_server.engine import Finish


@pytest.mark.parametrize(("reason", "finish"), [(None, None), ("stop", Finish.STOP), ("length", Finish.LENGTH)])
def test_a_generation_ends_as_vllm_says(reason: str | None, finish: Finish | None) -> None:
    assert _finish(reason) is finish


def test_what_an_ending_core_aborts_died_with_it() -> None:
    with pytest.raises(EngineDead):
        _finish("abort")


@pytest.mark.parametrize("reason", ["error", "repetition"])
def test_what_vllm_gives_up_is_an_error_that_says_so(reason: str) -> None:
    with pytest.raises(EngineError, match=reason) as failed:
        _finish(reason)
    assert not isinstance(failed.value, EngineDead)
