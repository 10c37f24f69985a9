"""Clients that need an environment of their own, each as a small program against the server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conformance.recorded import Target

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / ".peers"
PROGRAMS = Path(__file__).parent / "peers"
PINNED = dict(line.split("==") for line in (PROGRAMS.parent / "peers.in").read_text().splitlines() if "==" in line)
PINNED["node"] = json.loads((PROGRAMS / "package.json").read_text())["dependencies"]["openai"]
LIMIT_S = 120

Seen = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def seen(target: Target) -> Seen:
    """What a program saw; each is run once."""
    if not (HOME / ".ready").is_file():
        pytest.fail(f"{HOME} is missing: `make peers` installs the clients that these checks run.")
    kept: dict[str, dict[str, Any]] = {}

    def run(program: str) -> dict[str, Any]:
        if program not in kept:
            arguments = [f"{target.url}/v1", target.key or "none", target.model]
            if program.endswith(".mjs"):
                command = [HOME / "bin" / "node", PROGRAMS / program, HOME, *arguments]
            else:
                command = [HOME / "bin" / "python", PROGRAMS / program, *arguments]
            surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
                # Its price list would be fetched from afar.
                env={**surroundings, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
            )
            assert done.returncode == 0, done.stderr[-4000:]
            kept[program] = json.loads(done.stdout.splitlines()[-1])
        return kept[program]

    return run


PROGRAM = pytest.mark.parametrize(
    "program", ["openai_2.py", "litellm_client.py", "langchain_client.py", "openai_node.mjs"]
)
SDK = pytest.mark.parametrize("program", ["openai_2.py", "openai_node.mjs"])
REASONS = pytest.mark.parametrize("program", ["openai_2.py", "litellm_client.py", "openai_node.mjs"])


@PROGRAM
def test_a_stream_says_what_the_whole_reply_says(seen: Seen, program: str) -> None:
    found = seen(program)
    assert found["content"] == found["streamed_content"] != ""


@PROGRAM
def test_the_usage_of_a_stream_is_that_of_the_whole_reply(seen: Seen, program: str) -> None:
    found = seen(program)
    assert found["usage"] == found["streamed_usage" if "streamed_usage" in found else "built_usage"] > 0


@REASONS
def test_reasoning_arrives_streamed_and_whole(seen: Seen, program: str) -> None:
    found = seen(program)
    assert found["reasoning"] == found["streamed_reasoning"]
    assert found["reasoning"].startswith("Draft: ")


@SDK
def test_what_an_sdk_accumulates_is_the_reply(seen: Seen, program: str) -> None:
    found = seen(program)
    assert found["accumulated_content"] == found["content"] == found["answer"]
    assert found.get("accumulated_answer", found["answer"]) == found["answer"]


@SDK
def test_the_responses_api_says_the_same_streamed_and_whole(seen: Seen, program: str) -> None:
    found = seen(program)
    assert found["response"] == found["response_streamed"] != ""
    assert found["response_end"] == "response.completed"


@SDK
def test_models_are_listed(seen: Seen, program: str, target: Target) -> None:
    assert seen(program)["models"][:2] == [target.model, target.direct]


@SDK
def test_an_unknown_model_has_its_error_class_param_and_code(seen: Seen, program: str) -> None:
    assert seen(program)["refused"] == {"param": "model", "code": "model_not_found"}


@pytest.mark.parametrize("program", ["openai_2.py", "litellm_client.py"])
def test_the_asynchronous_client_hears_the_same(seen: Seen, program: str) -> None:
    found = seen(program)
    assert found["async_content"] == found["content"]


def test_litellm_puts_a_stream_together(seen: Seen) -> None:
    found = seen("litellm_client.py")
    assert (found["built_content"], found["built_usage"]) == (found["content"], found["usage"])
    assert found["finish_reason"] == "stop"


def test_litellm_knows_the_errors(seen: Seen) -> None:
    found = seen("litellm_client.py")
    assert "nobody" in found["refused"]
    assert found["overflow"].startswith("ContextWindowExceededError")


def test_langchain_answers_a_batch(seen: Seen) -> None:
    assert seen("langchain_client.py")["batch"] == [True, True]
    assert seen("langchain_client.py")["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("program", "package"),
    [
        ("openai_2.py", "openai"),
        ("litellm_client.py", "litellm"),
        ("langchain_client.py", "langchain-openai"),
        ("openai_node.mjs", "node"),
    ],
)
def test_the_pinned_version_is_the_one_that_ran(seen: Seen, program: str, package: str) -> None:
    assert seen(program)["version"] == PINNED[package]
