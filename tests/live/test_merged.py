"""A base with its adapter merged in, on real vLLM without LoRA: the same answers as the two of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live.conftest import LiveServer, start_server

from tear_chain.manifest import load_manifest
from tear_chain.prepared import load_prepared

DRAFTS = ("Well. It was his time. You should sell the shed.", "I am so sorry. Take the time you need.")
BODY = {"messages": [{"role": "user", "content": "We buried my uncle on Friday. I can't go into his shed."}]}
NEAR = 0.1
"""How far two expected weights of a greedy scene may be apart; both sides round to BF16, at different places."""


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory, nano_base: Path, nano_adapter: Path) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("merged")
    with start_server(folder, nano_base, nano_adapter, "--merge-into", str(folder / "base")) as server:
        yield server


def test_a_merged_server_reflects_and_names_the_version(merged: LiveServer, nano_adapter: Path) -> None:
    reflection = httpx.post(f"{merged.url}/v1/reflections", json=BODY | {"seed": 2}, timeout=120).json()
    assert reflection["status"] == "complete", reflection
    assert reflection["adapter"] == f"witness-{load_manifest(nano_adapter).version}"
    assert [stage["cached_tokens"] > 0 for stage in reflection["stages"][1:]] == [True] * (
        len(reflection["stages"]) - 1
    )


def test_a_merged_server_weighs_as_the_unmerged_one_does(merged: LiveServer, http: httpx.Client) -> None:
    for draft in DRAFTS:
        body = BODY | {"draft": draft, "temperature": 0}
        ours = httpx.post(f"{merged.url}/v1/reflections", json=body, timeout=120).json()
        theirs = http.post("/v1/reflections", json=body).json()
        assert abs(ours["expected_weight"] - theirs["expected_weight"]) < NEAR
        assert ours["decision"] == theirs["decision"]


def test_a_merged_server_takes_no_adapters_and_says_why(merged: LiveServer) -> None:
    refused = httpx.post(f"{merged.url}/v1/adapters", json={"path": "second"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "adapters_off")
    assert "without --merge" in refused.json()["error"]["message"]


def test_what_was_merged_is_kept_where_it_was_asked_to_be(merged: LiveServer, nano_base: Path) -> None:
    card = load_prepared(merged.log.parent / "base", whole=True)
    assert load_prepared(nano_base).fingerprint in card.source
