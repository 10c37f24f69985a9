"""Open WebUI with deploy/integrations/open-webui.env, used by a person in Chromium."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from integrations.conftest import HOME, running
from integrations.recipes import QUESTION, ROOT, copied, told
from live.conftest import LiveServer, free_port
from prometheus_client.parser import text_string_to_metric_families

DRIVER = Path(__file__).with_name("drive_open_webui.py")
TASKS = 3
"""Title, tags, follow-up questions."""
TASKS_LIMIT_S = 60
# What a machine that reaches nothing and a test without accounts need beside the recipe.
OFFLINE = {
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "WEBUI_AUTH": "false",
    "RAG_EMBEDDING_ENGINE": "openai",
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
}


@pytest.fixture(scope="module")
def open_webui(tools: Path, live: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its URL."""
    folder = tmp_path_factory.mktemp("open-webui")
    lines = copied("open-webui.env", folder, url=live.url).read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [HOME / "open-webui" / "bin" / "open-webui", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, folder, ready=f"{url}/health", DATA_DIR=str(folder), **OFFLINE, **variables):
        yield url


def reflections(live: LiveServer, model: str) -> float:
    """How many have ended, by the server's own count."""
    page = httpx.get(f"{live.url}/metrics").raise_for_status().text
    [family] = [each for each in text_string_to_metric_families(page) if each.name == "tear_reflections"]
    return sum(
        sample.value
        for sample in family.samples
        if sample.name == "tear_reflections_total" and sample.labels["model"] == model
    )


@pytest.mark.timeout(600)
def test_a_message_shows_its_witness_as_thinking_and_all_else_goes_to_the_direct_model(
    tools: Path, open_webui: str, live: LiveServer, tmp_path: Path
) -> None:
    reflected, direct = (reflections(live, model) for model in ("tear-nano", "tear-nano-direct"))
    picture = Path(os.environ.get("PICTURES", tmp_path)) / "open-webui.png"
    seen = told([tools / "bin" / "python", DRIVER, open_webui, ROOT / picture, QUESTION])
    shown = json.loads(seen.stdout)["shown"]
    print(shown)
    assert re.search(
        r"Thought for .*Draft: .+Impact: .+Weight: .+Decision: (keep|revise).*\n+.*\w", shown, re.DOTALL
    ), shown
    deadline = time.monotonic() + TASKS_LIMIT_S
    while reflections(live, "tear-nano-direct") < direct + TASKS and time.monotonic() < deadline:
        time.sleep(0.25)
    assert reflections(live, "tear-nano-direct") == direct + TASKS
    assert reflections(live, "tear-nano") == reflected + 1
