from __future__ import annotations

import pytest

from tear_chain.errors import InvalidRequest
from tear_server.engine_args import REFUSED, check_allowed, check_known

KNOWN = {"block_size", "enable_chunked_prefill", "compilation_config", "_api_process_count", *REFUSED}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_break_the_chain_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_allowed({"block_size": 16, name: "anything"})
    assert f"{name} ({REFUSED[name]})" in refused.value.message
    assert "block_size" not in refused.value.message
    assert refused.value.param == "engine_args"


def test_all_that_is_refused_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest, match=r"model .*; enable_lora "):
        check_allowed({"model": "other", "enable_lora": False})


@pytest.mark.parametrize("name", ["blok_size", "_api_process_count"], ids=["unknown", "inner"])
def test_what_vllm_does_not_know_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{name} .vLLM has no such argument") as refused:
        check_known({"block_size": 16, name: 1}, known=KNOWN, on_cpu=False)
    assert refused.value.param == "engine_args"


@pytest.mark.parametrize(
    ("on_cpu", "value", "refused"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_prompts_in_parts_are_refused_on_a_cpu_alone(on_cpu: bool, value: bool, refused: bool) -> None:
    def check() -> None:
        check_known({"enable_chunked_prefill": value}, known=KNOWN, on_cpu=on_cpu)

    if refused:
        with pytest.raises(InvalidRequest, match=r"enable_chunked_prefill \(on a CPU"):
            check()
    else:
        check()


def test_anything_else_that_vllm_knows_is_taken() -> None:
    asked = {"block_size": 16, "compilation_config": {"level": 0}}
    check_allowed(asked)
    check_known(asked, known=KNOWN, on_cpu=True)
