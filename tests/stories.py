"""Chains as an engine would write them, stage by stage, and a service over them: for unit tests of the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from scripted import ScriptedEngine
from spelling import spell

from tear_chain.artifact import FileEntry
from tear_chain.format import FORMAT_VERSION
from tear_chain.manifest import DRAFT_WITNESS_REVISE, Manifest
from tear_chain.prepared import PreparedBase
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES
from tear_chain.words import Decision, Stage
from tear_server.adapters import Adapter
from tear_server.api.app import build_app
from tear_server.budget import Limits
from tear_server.deadline import Deadlines
from tear_server.engine import Engine, Sampling
from tear_server.metrics import Metrics
from tear_server.reflection import Reflector
from tear_server.registry import Registry
from tear_server.service import Service

Story = Mapping[Stage, tuple[str, ...]]

MODEL = "tear-nano"
DRAFT = "Slow hands, dull ears."
ANSWER = "Thirty days make a start! 👩‍👩‍👧‍👦 漢字 é"
SCENE = ("<who>", " a beginner", "<impact>", " She closes the lid.", "<ripples>", " Silence.", "<weight>", "<w-2>")

KEPT: Story = {Stage.DRAFT: (DRAFT, "<witness>"), Stage.WITNESS: (*SCENE, "<keep>"), Stage.REVISED: ("never",)}
REVISED: Story = {
    Stage.DRAFT: (DRAFT, "<witness>"),
    Stage.WITNESS: (*SCENE, "<revise>"),
    Stage.REVISED: (ANSWER, "</s>"),
}
STORIES: Mapping[str, Story] = {
    "kept": KEPT,
    "revised": REVISED,
    "no-decision": {**KEPT, Stage.WITNESS: (*SCENE, "</s>")},
    "gaps": {**REVISED, Stage.WITNESS: ("<impact>", " She smiles.", "<weight>", "<w+1>", "<revise>")},
    "disorder": {**REVISED, Stage.WITNESS: ("well", *SCENE, "<who>", " again", "<revise>")},
    "no-scene": {**KEPT, Stage.WITNESS: ("<keep>",)},
    "draft-ends-oddly": {**REVISED, Stage.DRAFT: (DRAFT, "<keep>")},
    "empty-draft": {**KEPT, Stage.DRAFT: ("<witness>",), Stage.REVISED: (ANSWER, "</s>")},
    "empty-revision": {**REVISED, Stage.REVISED: ("</s>",)},
    "blank-revision": {**REVISED, Stage.REVISED: (" \n ", "</s>")},
    "blank-then-words": {**REVISED, Stage.REVISED: (" \n ", ANSWER, "</s>")},
    "revision-ends-oddly": {**REVISED, Stage.REVISED: (ANSWER, "<draft>")},
    "endless-draft": {**REVISED, Stage.DRAFT: (DRAFT * 200,)},
    "endless-witness": {**KEPT, Stage.WITNESS: ("<who>", " a beginner" * 200)},
    "endless-revision": {**REVISED, Stage.REVISED: (ANSWER * 200,)},
}
"""By name; each is well or badly written in a way of its own."""

BASE = PreparedBase(
    format_version=FORMAT_VERSION,
    name=MODEL,
    fingerprint="00112233445566aa",
    source="here",
    license="Apache-2.0",
    context=2048,
    tokens={},
    set_rows=(),
    files={},
)
MANIFEST = Manifest(
    format_version=FORMAT_VERSION,
    name="small",
    order=DRAFT_WITNESS_REVISE,
    base_fingerprint=BASE.fingerprint,
    token_names=TOKEN_NAMES,
    rank=8,
    code_version="0.1.0",
    seed=7,
    passes=(),
    data=(),
    non_commercial=False,
    metrics={"accuracy": 0.75, "cas": 0.25},
    files={"adapter_model.safetensors": FileEntry(bytes=1, sha256="ab")},
)
ADAPTER = f"witness-{MANIFEST.version}"
LIMITS = Limits(context=2048, answer=128, witness=96)


def play(tokenizer: ChainTokenizer, story: Story, **options: Any) -> ScriptedEngine:
    """An engine that writes `story`; `options` are the engine's."""
    chain = tokenizer.chain
    leads_to = {chain.witness: Stage.WITNESS, chain.decisions[Decision.REVISE]: Stage.REVISED}
    scripts = {stage: spell(tokenizer, *parts) for stage, parts in story.items()}
    return ScriptedEngine(scripts, **{"leads_to": leads_to, **options})


def service_over(
    engine: Engine,
    tokenizer: ChainTokenizer,
    *,
    limits: Limits = LIMITS,
    revise_threshold: float | None = None,
    deadlines: Deadlines | None = None,
) -> Service:
    """A service that has nothing behind it but `engine`."""
    service = Service(
        base=BASE,
        registry=Registry(MODEL, Adapter(Path("small"), MANIFEST)),
        engine=engine,
        reflector=Reflector(engine, tokenizer, limits=limits, deadlines=deadlines),
        metrics=Metrics(),
        context=limits.context,
        sampling=Sampling(),
        revise_threshold=revise_threshold,
        started=1_700_000_000,
    )
    service.metrics.announce(models=service.models, adapter=ADAPTER, base=BASE.fingerprint)
    return service


def asking(text: str = "Am I any good?", **fields: Any) -> dict[str, Any]:
    """A request body: one person, one sentence, and `fields`."""
    return {"messages": [{"role": "user", "content": text}], **fields}


async def until(condition: Callable[[], object], *, limit_s: float = 5) -> None:
    """Wait for something that another task brings about; fail when it takes longer than `limit_s`."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.001)


async def post(service: Service, path: str, body: object, **options: Any) -> httpx.Response:
    """Post JSON to the service's application, in process; `options` are httpx's."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(service)), base_url="http://tear") as client:
        return await client.post(path, json=body, **options)


async def get(service: Service, path: str) -> httpx.Response:
    """Get from the service's application, in process."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(service)), base_url="http://tear") as client:
        return await client.get(path)


def sse_data(response: httpx.Response) -> list[Any]:
    """The JSON of each unnamed event of a stream, `[DONE]` as that string."""
    assert response.text.endswith("\n\n"), response.text
    lines = response.text.removesuffix("\n\n").split("\n\n")
    assert all(line.startswith("data: ") for line in lines), response.text
    payloads = [line.removeprefix("data: ") for line in lines]
    return [payload if payload == "[DONE]" else json.loads(payload) for payload in payloads]
