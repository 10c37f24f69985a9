"""Our own client and command against the live server: the contract between the two houses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from live.conftest import TEAR, LiveServer

from tear_chain.events import Completed, TextDelta, Witnessed
from tear_chain.words import Decision, Stage, Status
from tear_client import Client, StatusError

QUESTION = "I've been trying to learn piano for a month but I'm still terrible."


@pytest.fixture
def client(live: LiveServer) -> Iterator[Client]:
    with Client(live.url) as client:
        yield client


def test_reflect_returns_the_whole_chain(client: Client) -> None:
    reflection = client.reflect(QUESTION, seed=1)
    assert reflection.status is Status.COMPLETE
    assert reflection.witness is not None
    assert reflection.witness.impact
    assert reflection.answer


def test_streamed_events_fold_to_the_reflection(client: Client) -> None:
    with client.stream(QUESTION, draft="Maybe piano just isn't for you.", revise_threshold=0, seed=1) as stream:
        events = list(stream)
        reflection = stream.final()
    assert isinstance(events[-1], Completed)
    assert sum(isinstance(event, Witnessed) for event in events) == 1
    revised = "".join(event.text for event in events if isinstance(event, TextDelta) and event.stage is Stage.REVISED)
    assert reflection.decision is Decision.REVISE
    assert revised == reflection.answer


def test_refusal_carries_the_servers_code_and_field(client: Client) -> None:
    with pytest.raises(StatusError, match="does not exist") as caught:
        client.reflect(QUESTION, model="gpt-9")
    assert (caught.value.status, caught.value.code, caught.value.param) == (404, "model_not_found", "model")


def test_ask_prints_draft_witness_decision_and_answer(live: LiveServer) -> None:
    result = _tear(live, "ask", QUESTION, "--seed", "1")
    labels = [line.split(":")[0] for line in result.stdout.splitlines()]
    assert labels == ["draft", "who", "impact", "ripples", "weight", "decision", "answer"]


def test_ask_json_is_the_reflection(live: LiveServer) -> None:
    reflection = json.loads(_tear(live, "ask", QUESTION, "--seed", "1", "--json").stdout)
    assert reflection["status"] == "complete"


def test_models_lists_what_is_served(live: LiveServer) -> None:
    assert "tear-nano-direct" in _tear(live, "models").stdout


def _tear(live: LiveServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [TEAR, "--url", live.url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
