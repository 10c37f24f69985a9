"""LiteLLM's proxy, `llm` and Continue's command with the configurations of docs/integrations.md."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from integrations.conftest import running
from integrations.recipes import QUESTION, copied, told
from live.conftest import LiveServer, free_port

DRAFT = re.compile(r"^Draft: .+", re.MULTILINE)


@pytest.fixture(scope="module")
def proxy(tools: Path, live: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """A client of LiteLLM's proxy."""
    folder = tmp_path_factory.mktemp("litellm")
    config = copied("litellm.yaml", folder, url=live.url)
    url, key = f"http://127.0.0.1:{(port := free_port())}", f"sk-{secrets.token_hex(24)}"
    command = [tools / "bin" / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(port)]
    with (
        running(command, folder, ready=f"{url}/health/liveliness", LITELLM_MASTER_KEY=key),
        openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client,
    ):
        yield client


def test_litellms_proxy_passes_on_answer_witness_and_reflection(proxy: openai.OpenAI) -> None:
    message = (
        proxy.chat.completions.create(
            model="tear",
            messages=[{"role": "user", "content": QUESTION}],
            extra_body={"reflection": {"revise_threshold": 0}},
        )
        .choices[0]
        .message
    )
    found = message.model_extra or {}
    reflection = found["provider_specific_fields"]["reflection"]
    assert found["reasoning_content"].startswith("Draft: ")
    assert (reflection["answer"], reflection["decision"]) == (message.content, "revise")


def test_litellms_proxy_streams_the_witness(proxy: openai.OpenAI) -> None:
    with proxy.chat.completions.create(
        model="tear", messages=[{"role": "user", "content": QUESTION}], stream=True
    ) as stream:
        deltas = [chunk.choices[0].delta for chunk in stream if chunk.choices]
    thought = [(delta.model_extra or {}).get("reasoning_content") or "" for delta in deltas]
    assert "".join(thought).startswith("Draft: ")
    assert "".join(delta.content or "" for delta in deltas)
    assert not any(delta.content and thought for delta, thought in zip(deltas, thought, strict=True))


def test_litellms_proxy_serves_the_direct_model(proxy: openai.OpenAI) -> None:
    reply = proxy.chat.completions.create(model="tear-direct", messages=[{"role": "user", "content": QUESTION}])
    assert reply.choices[0].message.content
    assert "reasoning_content" not in (reply.choices[0].message.model_extra or {})


def test_llm_shows_the_witness_beside_the_answer(tools: Path, live: LiveServer, tmp_path: Path) -> None:
    copied("llm/extra-openai-models.yaml", tmp_path, url=live.url)
    llm = tools / "bin" / "llm"
    shown = told([llm, "-m", "tear", QUESTION], LLM_USER_PATH=str(tmp_path))
    assert DRAFT.match(shown.stderr), shown.stderr
    assert shown.stdout.strip()
    assert "Draft: " not in shown.stdout
    direct = told([llm, "-m", "tear-direct", QUESTION], LLM_USER_PATH=str(tmp_path))
    assert (direct.stderr, bool(direct.stdout.strip())) == ("", True)


def test_continues_command_answers(tools: Path, live: LiveServer, tmp_path: Path) -> None:
    config = copied("continue.yaml", tmp_path, url=live.url)
    command = tools / "node_modules" / "@continuedev" / "cli" / "dist" / "cn.js"
    node = tools / "bin" / "node"
    # Its home is a fresh one, so that it finds neither a session nor settings of the person at this machine.
    said = told(
        [node, command, "--config", config, "--exclude", "*", "-p", QUESTION],
        HOME=str(tmp_path),
        CONTINUE_TELEMETRY_ENABLED="0",
    )
    assert said.stdout.strip()
    assert "error" not in said.stdout
