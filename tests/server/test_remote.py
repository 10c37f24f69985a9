from __future__ import annotations

import asyncio
import json
import math
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_vllm import BASE, FakeVllm, Fault, Ill, fake_vllm
from spelling import spell
from stories import ADAPTER, LIMITS, MANIFEST, MODEL, REVISED, STORIES, Story, play, until

from tear_chain.conversation import Conversation
from tear_chain.errors import AdapterError, EngineDead, EngineError, EngineUnreachable
from tear_chain.events import Completed
from tear_chain.format import draft_prompt
from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Reflection, Stage
from tear_server.adapters import Adapter, open_adapter, sing_canary
from tear_server.engine import AdapterFiles, Chunk, Engine, Finish, Generation, Sampling
from tear_server.reflection import ReflectionRequest, Reflector
from tear_server.remote import RemoteEngine, RemoteOptions, remote_engine

FILES = AdapterFiles(ADAPTER, Path("adapters/first"), 8)
WORDS = tuple(range(100, 120))
ASKED = Generation(
    id="refl-1-draft",
    prompt=(1, 2, 3),
    max_tokens=50,
    stop_ids=frozenset({WORDS[-1]}),
    sampling=Sampling(temperature=0.3, top_p=0.5, seed=7, frequency_penalty=0.1, presence_penalty=0.2),
    adapter=ADAPTER,
    watch=(5, 6),
    min_tokens=4,
    session="cafe",
    trace={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
)
QUESTION = Conversation.asking("Am I any good?")
INTERRUPTIONS: tuple[Ill, ...] = ("cut", "end", "error", "refuse", "abort")


class Recital:
    """Knows one text by heart and goes on wherever a prompt leaves off in it; another prompt is a mistake."""

    def __init__(self, text: tuple[int, ...]) -> None:
        self.text = text
        self.open = 0

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        self.open += 1
        try:
            known = len(generation.prompt)
            assert generation.prompt == self.text[:known]
            rest = self.text[known : known + generation.max_tokens]
            for place, token in enumerate(rest, start=1):
                at = {watched: -token / (watched + known + place) for watched in generation.watch}
                finish = Finish.STOP if token in generation.stop_ids else Finish.LENGTH if place == len(rest) else None
                yield Chunk((token,), (at,) if generation.watch else (), known - 1, finish)
                if finish:
                    return
                await asyncio.sleep(0)
        finally:
            self.open -= 1

    async def health(self) -> None: ...


class Retries:
    """Counts how often it is called."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


@asynccontextmanager
async def connected(
    fake: FakeVllm, *, retries: Retries | None = None, context: int = 2048, **options: Any
) -> AsyncIterator[RemoteEngine]:
    made = RemoteOptions(**{"url": fake.url, "pauses_s": (0.0, 0.0), **options})
    async with remote_engine(made, FILES, name=MODEL, context=context, on_retry=retries or Retries()) as engine:
        yield engine


async def chunks_of(engine: Engine, generation: Generation = ASKED) -> list[Chunk]:
    async with aclosing(engine.generate(generation)) as chunks:
        return [chunk async for chunk in chunks]


async def reflect(tokenizer: ChainTokenizer, engine: Engine) -> Reflection:
    reflector = Reflector(engine, tokenizer, limits=LIMITS)
    plan = reflector.plan(ReflectionRequest("refl-1", MODEL, ADAPTER, QUESTION))
    async with aclosing(reflector.reflect(plan)) as events:
        *_, last = [event async for event in events]
    assert isinstance(last, Completed)
    return last.reflection


def told(reflection: Reflection) -> Reflection:
    """What does not differ from run to run."""
    bare = [replace(report, cached_tokens=0, first_token_seconds=None, seconds=0.0) for report in reflection.stages]
    return replace(reflection, stages=tuple(bare))


def chain_of(tokenizer: ChainTokenizer, story: Story) -> tuple[int, ...]:
    """The conversation and all that `story` tells of it, token for token."""
    prompt = draft_prompt(tokenizer.chain, tokenizer.encode_conversation(QUESTION))
    return (*prompt, *spell(tokenizer, *(part for stage in Stage for part in story[stage])))


def written(chunks: list[Chunk]) -> tuple[int, ...]:
    return tuple(token for chunk in chunks for token in chunk.tokens)


# What is asked and what comes


async def test_a_generation_over_http_is_the_one_in_process() -> None:
    recital = Recital((*ASKED.prompt, *WORDS))
    direct = await chunks_of(recital)
    async with fake_vllm(recital, ADAPTER) as fake, connected(fake) as engine:
        remote = await chunks_of(engine)
    assert [replace(chunk, cached_tokens=2) for chunk in remote] == direct
    assert (written(remote), remote[-1].finish) == (WORDS, Finish.STOP)


async def test_what_was_cached_is_told_at_the_end() -> None:
    async with fake_vllm(Recital((*ASKED.prompt, *WORDS)), ADAPTER) as fake, connected(fake) as engine:
        assert [chunk.cached_tokens for chunk in await chunks_of(engine)] == [0] * (len(WORDS) - 1) + [2]


async def test_all_that_a_generation_says_is_asked_for() -> None:
    async with fake_vllm(Recital((*ASKED.prompt, *WORDS)), ADAPTER) as fake, connected(fake) as engine:
        await chunks_of(engine)
        await chunks_of(engine, replace(ASKED, adapter=None, watch=(), session=None, trace=None))
        first, bare = fake.generations
    assert first.body == {
        "model": ADAPTER,
        "prompt": [1, 2, 3],
        "max_tokens": 50,
        "min_tokens": 4,
        "stop_token_ids": [WORDS[-1]],
        "ignore_eos": True,
        "temperature": 0.3,
        "top_p": 0.5,
        "seed": 7,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
        "logprobs": 0,
        "logprob_token_ids": [5, 6],
        "return_tokens_as_token_ids": True,
    }
    assert (first.headers["x-request-id"], first.headers["x-session-id"]) == ("refl-1-draft", "cafe")
    assert first.headers["traceparent"] == (ASKED.trace or {})["traceparent"]
    assert bare.body["model"] == BASE
    assert not {"logprobs", "logprob_token_ids"} & set(bare.body)
    assert {"x-session-id", "traceparent"}.isdisjoint(bare.headers)


async def test_a_log_probability_that_is_no_number_stays_none() -> None:
    class Damaged(Recital):
        async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
            yield Chunk((100,), ({5: math.nan, 6: -1.0},), 0, Finish.LENGTH)

    async with fake_vllm(Damaged(()), ADAPTER) as fake, connected(fake) as engine:
        [chunk] = await chunks_of(engine)
    assert math.isnan(chunk.watched[0][5])
    assert chunk.watched[0][6] == -1.0


async def test_a_connection_serves_one_generation_after_the_other() -> None:
    async with fake_vllm(Recital((*ASKED.prompt, *WORDS)), ADAPTER) as fake, connected(fake) as engine:
        for _ in range(3):
            await chunks_of(engine)
        assert fake.connections == 1


async def test_many_generations_wait_for_no_connection() -> None:
    async with fake_vllm(Recital((*ASKED.prompt, *WORDS)), ADAPTER) as fake, connected(fake) as engine:
        fake.faults = [Fault("silence", after=1)] * 200
        readers = [asyncio.ensure_future(chunks_of(engine)) for _ in range(200)]
        await until(lambda: fake.open_replies == 200, limit_s=20)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


@pytest.mark.parametrize("name", STORIES)
async def test_a_chain_over_http_is_the_chain_in_process(tokenizer: ChainTokenizer, name: str) -> None:
    direct = await reflect(tokenizer, play(tokenizer, STORIES[name]))
    scripted = play(tokenizer, STORIES[name])
    async with fake_vllm(scripted, ADAPTER) as fake, connected(fake) as engine:
        assert told(await reflect(tokenizer, engine)) == told(direct)
        await until(lambda: fake.open_replies == 0)
    assert scripted.closed == [generation.id for generation in scripted.asked]


# Interruptions


@pytest.mark.parametrize("kind", INTERRUPTIONS)
@pytest.mark.parametrize("after", [0, 1, 7, 19])
async def test_what_is_interrupted_goes_on_where_it_stood(kind: Ill, after: int) -> None:
    recital, retries = Recital((*ASKED.prompt, *WORDS)), Retries()
    async with fake_vllm(recital, ADAPTER) as fake, connected(fake, retries=retries) as engine:
        fake.faults = [Fault(kind, after=after)]
        chunks = await chunks_of(engine)
        first, second = fake.generations
    came = 0 if kind == "refuse" else after
    assert (written(chunks), retries.count) == (WORDS, 1)
    assert [chunk.finish for chunk in chunks if chunk.finish] == [Finish.STOP]
    assert second.body == first.body | {
        "prompt": [1, 2, 3, *WORDS[:came]],
        "max_tokens": 50 - came,
        "min_tokens": max(0, 4 - came),
    }
    assert second.headers["x-session-id"] == "cafe"
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert chunks[-1].cached_tokens <= len(ASKED.prompt)


async def test_a_token_limit_holds_over_interruptions() -> None:
    async with fake_vllm(Recital((*ASKED.prompt, *WORDS)), ADAPTER) as fake, connected(fake) as engine:
        fake.faults = [Fault("cut", after=3), Fault("cut", after=3)]
        chunks = await chunks_of(engine, replace(ASKED, max_tokens=9))
    assert (written(chunks), chunks[-1].finish) == (WORDS[:9], Finish.LENGTH)


@pytest.mark.parametrize("kind", INTERRUPTIONS)
@pytest.mark.parametrize("after", [0, 5])
async def test_the_third_interruption_is_an_engine_that_cannot_be_reached(kind: Ill, after: int) -> None:
    retries, tokens = Retries(), list[int]()
    async with fake_vllm(Recital((*ASKED.prompt, *WORDS)), ADAPTER) as fake, connected(fake, retries=retries) as engine:
        fake.faults = [Fault(kind, after=after)] * 3
        with pytest.raises(EngineUnreachable) as failed:  # noqa: PT012 - what came before matters, too
            async for chunk in engine.generate(ASKED):
                tokens += chunk.tokens
        assert len(fake.generations) == 3
    assert (retries.count, tuple(tokens)) == (2, WORDS[: len(tokens)])
    assert f"after {len(tokens)} tokens" in failed.value.message
    assert failed.value.retryable


async def test_nothing_listening_is_an_engine_that_cannot_be_reached() -> None:
    retries = Retries()
    async with fake_vllm(Recital(()), ADAPTER) as fake:
        made = connected(fake, retries=retries)
        engine = await made.__aenter__()
    with pytest.raises(EngineUnreachable, match=r"does not answer \(All connection attempts failed\)"):
        await chunks_of(engine)
    assert retries.count == 2
    await made.__aexit__(None, None, None)


async def test_silence_is_not_asked_again() -> None:
    retries = Retries()
    async with (
        fake_vllm(Recital((*ASKED.prompt, *WORDS)), ADAPTER) as fake,
        connected(fake, retries=retries, read_timeout_s=0.1) as engine,
    ):
        fake.faults = [Fault("silence", after=2)]
        with pytest.raises(EngineUnreachable, match=r"silent for 0\.1 seconds"):
            await chunks_of(engine)
    assert retries.count == 0


async def test_a_chain_cut_anywhere_is_the_chain_that_was_not(tokenizer: ChainTokenizer) -> None:
    recital = Recital(chain_of(tokenizer, REVISED))
    whole = await reflect(tokenizer, recital)
    async with fake_vllm(recital, ADAPTER) as fake, connected(fake) as engine:
        for place in range(sum(report.tokens for report in whole.stages)):
            fake.faults = [Fault("cut", after=place)]
            assert told(await reflect(tokenizer, engine)) == told(whole), f"cut after {place} tokens"
            fake.faults = [None, Fault("cut", after=place)]
            assert told(await reflect(tokenizer, engine)) == told(whole), f"cut {place} tokens after the weight"


# Refusals


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429])
async def test_a_refusal_is_an_engine_error_with_vllms_words_and_asked_once(status: int) -> None:
    retries = Retries()
    async with fake_vllm(Recital(()), ADAPTER) as fake, connected(fake, retries=retries) as engine:
        body = json.dumps({"error": {"message": "The model `x` does not exist.", "code": status}}).encode()
        fake.answers["/v1/completions"] = (status, "application/json", body)
        with pytest.raises(EngineError, match=f"{status}: The model `x` does not exist") as refused:
            await chunks_of(engine)
    assert not isinstance(refused.value, EngineDead)
    assert retries.count == 0


async def test_a_refusal_within_the_stream_is_an_engine_error() -> None:
    async with fake_vllm(Recital(()), ADAPTER) as fake, connected(fake) as engine:
        event = b'data: {"error": {"message": "Token id 9 is out of vocabulary", "code": 400}}\n\ndata: [DONE]\n\n'
        fake.answers["/v1/completions"] = (200, "text/event-stream", event)
        with pytest.raises(EngineError, match="out of vocabulary"):
            await chunks_of(engine)
        assert len(fake.generations) == 1


@pytest.mark.parametrize(
    ("kind", "body", "named"),
    [
        ("text/html", b"<h1>Welcome</h1>", "text/html"),
        ("text/event-stream", b"data: hello\n\n", "JSON"),
        ("text/event-stream", b'data: {"choices": [{"text": "hello"}]}\n\n', "token_ids"),
        ("text/event-stream", b'data: {"choices": [{"token_ids": [1], "logprobs": null}]}\n\n', "log-probabilities"),
        (
            "text/event-stream",
            b'data: {"choices": [{"token_ids": [1], "logprobs": {"top_logprobs": [{" no": -1}]}}]}\n\n',
            "log-probabilities",
        ),
    ],
    ids=["page", "words", "text-only", "no-logprobs", "logprobs-by-text"],
)
async def test_what_is_not_vllm_is_named(kind: str, body: bytes, named: str) -> None:
    async with fake_vllm(Recital(()), ADAPTER) as fake, connected(fake) as engine:
        fake.answers["/v1/completions"] = (200, kind, body)
        with pytest.raises(EngineError, match=named):
            await chunks_of(engine)


# Leaving


async def test_closing_a_generation_ends_the_work() -> None:
    recital = Recital((*ASKED.prompt, *WORDS))
    async with fake_vllm(recital, ADAPTER) as fake, connected(fake) as engine:
        fake.faults = [Fault("silence", after=3)]
        async with aclosing(engine.generate(ASKED)) as chunks:
            await anext(chunks)
            assert fake.open_replies == 1
        await until(lambda: (fake.open_replies, recital.open) == (0, 0))


async def test_a_cancelled_reader_ends_the_work() -> None:
    recital = Recital((*ASKED.prompt, *WORDS))
    async with fake_vllm(recital, ADAPTER) as fake, connected(fake) as engine:
        fake.faults = [Fault("silence", after=3)]
        reader = asyncio.ensure_future(chunks_of(engine))
        await until(lambda: recital.open == 1)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await until(lambda: (fake.open_replies, recital.open) == (0, 0))


# Start and health


async def test_an_engine_without_the_adapter_is_told_what_to_start_it_with() -> None:
    async with fake_vllm(Recital(()), "witness-other") as fake:
        with pytest.raises(EngineError, match="serves tear-nano, witness-other") as refused:
            async with connected(fake):
                pass
    assert f"--lora-modules {ADAPTER}=adapters/first --max-lora-rank 8" in refused.value.message


async def test_the_base_is_what_the_adapters_parent_is_called() -> None:
    async with fake_vllm(Recital((1, *WORDS)), ADAPTER) as fake:
        made = RemoteOptions(url=fake.url)
        async with remote_engine(made, FILES, name="mine", context=8, on_retry=Retries()) as engine:
            await chunks_of(engine, replace(ASKED, prompt=(1,), adapter=None))
    assert fake.generations[0].body["model"] == BASE


async def test_a_base_without_a_name_is_told_how_to_get_one() -> None:
    async with fake_vllm(Recital(()), ADAPTER, parent=None) as fake:
        with pytest.raises(EngineError, match="--served-model-name mine"):
            async with remote_engine(RemoteOptions(fake.url), FILES, name="mine", context=8, on_retry=Retries()):
                pass


async def test_a_window_that_is_too_small_is_told_how_to_grow() -> None:
    async with fake_vllm(Recital(()), ADAPTER, context=1024) as fake:
        with pytest.raises(EngineError, match=r"--max-model-len 2048, or this server with --context 1024"):
            async with connected(fake, context=2048):
                pass


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ((401, "application/json", b'{"error": "Unauthorized"}'), "401: Unauthorized"),
        ((502, "text/html", b"<h1>Bad Gateway</h1>"), "502: Status"),
        ((200, "application/json", b'{"models": []}'), "data: Field required"),
    ],
    ids=["no-key", "router-alone", "other-api"],
)
async def test_a_start_that_fails_says_what_was_answered(answer: tuple[int, str, bytes], named: str) -> None:
    async with fake_vllm(Recital(()), ADAPTER) as fake:
        fake.answers["/v1/models"] = answer
        with pytest.raises(EngineError, match=named):
            async with connected(fake):
                pass


async def test_the_key_goes_with_every_request_and_into_no_repr() -> None:
    assert "secret" not in repr(RemoteOptions("http://x", key="secret"))
    async with fake_vllm(Recital((*ASKED.prompt, *WORDS)), ADAPTER) as fake, connected(fake, key="secret") as engine:
        await chunks_of(engine)
        await engine.health()
        assert {asked.headers["authorization"] for asked in fake.asked} == {"Bearer secret"}


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_an_address_may_end_as_clients_write_it(suffix: str) -> None:
    async with fake_vllm(Recital((*ASKED.prompt, *WORDS)), ADAPTER) as fake:
        async with connected(fake, url=fake.url + suffix) as engine:
            await chunks_of(engine)
            await engine.health()
        assert {asked.path for asked in fake.asked} == {"/v1/models", "/v1/completions", "/health"}


async def test_health_follows_what_the_engine_says() -> None:
    async with fake_vllm(Recital(()), ADAPTER) as fake, connected(fake) as engine:
        await engine.health()
        fake.answers["/health"] = (503, "text/plain", b"")
        with pytest.raises(EngineUnreachable, match="/health answers 503"):
            await engine.health()


# Without vLLM


class OneVoice(Recital):
    """Says the same whatever adapter it is asked for."""

    by = 0.0

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        by = self.by if generation.adapter else 0.0
        yield Chunk((7,), (dict.fromkeys(generation.watch, -5.0 + by),), 0, Finish.LENGTH)


class TwoVoices(OneVoice):
    """Its adapter says other things than its base."""

    by = 0.5


async def test_the_canary_is_heard_over_http(tokenizer: ChainTokenizer) -> None:
    adapter = Adapter(Path("somewhere"), MANIFEST)
    async with fake_vllm(TwoVoices(()), ADAPTER) as fake, connected(fake) as engine:
        await sing_canary(engine, tokenizer, adapter)
    async with fake_vllm(OneVoice(()), ADAPTER) as fake, connected(fake) as engine:
        with pytest.raises(AdapterError, match="changes nothing"):
            await sing_canary(engine, tokenizer, adapter)


WITHOUT_VLLM = """
import asyncio, sys
for name in ("vllm", "torch", "transformers"):
    sys.modules[name] = None  # importing it fails
from tear_server.assembly import open_service
from tear_server.settings import read_settings

async def main():
    async with open_service(read_settings(sys.argv[1:])) as service:
        await service.engine.health()
        print(service.look(None).adapter, type(service.engine).__name__)

asyncio.run(main())
"""


async def test_a_service_over_a_remote_engine_needs_neither_vllm_nor_torch(nano_base: Path, nano_adapter: Path) -> None:
    name = open_adapter(nano_adapter, load_prepared(nano_base)).name
    async with fake_vllm(TwoVoices(()), name) as fake:
        arguments = ["--base", nano_base, "--adapter", nano_adapter, "--engine", fake.url]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WITHOUT_VLLM, *map(str, arguments)), stdout=PIPE, stderr=PIPE
        )
        out, err = await process.communicate()
    assert (process.returncode, out.decode().split()) == (0, [name, "RemoteEngine"]), err.decode()
