from __future__ import annotations

from typing import Any

import httpx
import pytest
from stories import (
    ADAPTER,
    ANSWER,
    DRAFT,
    KEPT,
    MODEL,
    REVISED,
    SCENE,
    STORIES,
    Story,
    asking,
    play,
    post,
    service_over,
    sse_data,
)

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES
from tear_chain.wire import load_reflection
from tear_chain.words import Stage

CHAT = "/v1/chat/completions"
STORY = pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())


async def ask(tokenizer: ChainTokenizer, story: Story, *, engine: dict[str, Any] | None = None, **fields: Any) -> Any:
    """The whole reply to a fresh service over `story`."""
    response = await post(service_over(play(tokenizer, story, **(engine or {})), tokenizer), CHAT, asking(**fields))
    assert response.status_code == 200, response.text
    return response.json()


async def stream(
    tokenizer: ChainTokenizer, story: Story, *, engine: dict[str, Any] | None = None, **fields: Any
) -> list[Any]:
    """The chunks of a streamed reply of a fresh service over `story`; the last is `[DONE]`."""
    service = service_over(play(tokenizer, story, **(engine or {})), tokenizer)
    response = await post(service, CHAT, asking(stream=True, **fields))
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    return sse_data(response)


def deltas(chunks: list[Any]) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk != "[DONE]" and chunk.get("choices")]


def folded(chunks: list[Any]) -> dict[str, Any]:
    """The message that a client adds up: strings joined, anything else as it came."""
    message: dict[str, Any] = {}
    for delta in deltas(chunks):
        for name, value in delta.items():
            message[name] = message[name] + value if name in message else value
    return message


def without_times(message: dict[str, Any]) -> dict[str, Any]:
    """The message without what two runs never share: seconds, and the reflection's id."""
    if "reflection" in message:
        reflection = {**message["reflection"], "id": ""}
        reflection["stages"] = [
            {name: value for name, value in report.items() if "seconds" not in name} for report in reflection["stages"]
        ]
        message = {**message, "reflection": reflection}
    return message


# Streamed and whole


@pytest.mark.parametrize(
    ("fields", "chunk_size"),
    [
        ({}, 1),
        ({}, 2),
        ({}, 7),
        ({"stop": ["make", "dull"]}, 1),
        ({"stop": ["make", "dull"]}, 7),
        ({"model": f"{MODEL}-direct"}, 2),
        ({"include_reasoning": False}, 2),
        ({"max_tokens": 40}, 2),
    ],
    ids=["one-by-one", "by-two", "by-seven", "stops", "stops-by-seven", "direct", "hidden", "small"],
)
@STORY
async def test_the_stream_folded_is_the_whole_reply(
    tokenizer: ChainTokenizer, story: Story, fields: dict[str, Any], chunk_size: int
) -> None:
    engine = {"chunk_size": chunk_size, "cached_tokens": 2}
    whole = await ask(tokenizer, story, engine=engine, **fields)
    chunks = await stream(tokenizer, story, engine=engine, stream_options={"include_usage": True}, **fields)
    assert without_times(folded(chunks)) == without_times(whole["choices"][0]["message"])
    assert chunks[-3]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert chunks[-2]["usage"] == whole["usage"]


@STORY
async def test_content_is_the_answer_of_the_reflection(tokenizer: ChainTokenizer, story: Story) -> None:
    message = (await ask(tokenizer, story))["choices"][0]["message"]
    assert message["content"] == message["reflection"]["answer"]
    assert message["content"].strip()


@pytest.mark.parametrize("chunk_size", [1, 7])
async def test_nothing_of_a_revised_draft_is_ever_content(tokenizer: ChainTokenizer, chunk_size: int) -> None:
    chunks = await stream(tokenizer, REVISED, engine={"chunk_size": chunk_size})
    content = ""
    for delta in deltas(chunks):
        content += delta.get("content", "")
        assert ANSWER.startswith(content)
    assert content == ANSWER


@STORY
async def test_content_once_streamed_is_never_withdrawn(tokenizer: ChainTokenizer, story: Story) -> None:
    chunks = await stream(tokenizer, story)
    answer = deltas(chunks)[-1]["reflection"]["answer"]
    content = ""
    for delta in deltas(chunks):
        content += delta.get("content", "")
        assert answer.startswith(content)


async def test_an_answer_comes_in_many_parts(tokenizer: ChainTokenizer) -> None:
    for story, fields in ((REVISED, {}), (KEPT, {"model": f"{MODEL}-direct"})):
        chunks = await stream(tokenizer, story, **fields)
        assert len([delta for delta in deltas(chunks) if delta.get("content")]) > 3


# The conventions of the stream


@STORY
async def test_the_role_comes_first_and_once(tokenizer: ChainTokenizer, story: Story) -> None:
    first, *rest = deltas(await stream(tokenizer, story))
    assert first == {"role": "assistant", "content": ""}
    assert [delta for delta in rest if "role" in delta] == []


@STORY
async def test_no_delta_has_both_channels(tokenizer: ChainTokenizer, story: Story) -> None:
    _, *rest = deltas(await stream(tokenizer, story))
    assert [delta for delta in rest if "content" in delta and "reasoning" in delta] == []
    assert [delta for delta in rest if delta.get("content") == "" or delta.get("reasoning") == ""] == []


@STORY
async def test_reasoning_has_both_names_and_one_text(tokenizer: ChainTokenizer, story: Story) -> None:
    for delta in deltas(await stream(tokenizer, story)):
        assert delta.get("reasoning") == delta.get("reasoning_content")


@STORY
async def test_the_reflection_comes_once_with_the_finish_reason(tokenizer: ChainTokenizer, story: Story) -> None:
    chunks = [chunk for chunk in await stream(tokenizer, story) if chunk != "[DONE]"]
    assert ["reflection" in delta for delta in deltas(chunks)] == [False] * (len(chunks) - 1) + [True]
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons[:-1] == [None] * (len(chunks) - 1)
    assert reasons[-1] in {"stop", "length"}


@pytest.mark.parametrize(
    ("options", "asked"),
    [(None, False), ({}, False), ({"include_usage": False}, False), ({"include_usage": True}, True)],
    ids=["none", "empty", "no", "yes"],
)
async def test_usage_comes_last_and_only_when_asked_for(
    tokenizer: ChainTokenizer, options: dict[str, bool] | None, asked: bool
) -> None:
    chunks = await stream(tokenizer, KEPT, stream_options=options)
    with_usage = [chunk for chunk in chunks[:-1] if "usage" in chunk]
    assert len(with_usage) == asked
    assert (chunks[-2].get("choices") == []) == asked
    assert chunks[-1] == "[DONE]"
    assert chunks.count("[DONE]") == 1


async def test_every_chunk_has_the_same_head(tokenizer: ChainTokenizer) -> None:
    chunks = await stream(tokenizer, REVISED, stream_options={"include_usage": True})
    heads = {(each["id"], each["object"], each["created"], each["model"]) for each in chunks[:-1]}
    ((name, kind, created, model),) = heads
    assert (name.startswith("chatcmpl-"), kind, model) == (True, "chat.completion.chunk", MODEL)
    assert isinstance(created, int)
    for chunk in chunks[:-2]:
        assert set(chunk["choices"][0]) == {"index", "delta", "logprobs", "finish_reason"}


async def test_a_stream_is_not_to_be_held_back_by_proxies(tokenizer: ChainTokenizer) -> None:
    response = await post(service_over(play(tokenizer, KEPT), tokenizer), CHAT, asking(stream=True))
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_failure_during_a_stream_is_an_error_event_then_done(tokenizer: ChainTokenizer, stage: Stage) -> None:
    chunks = await stream(tokenizer, REVISED, engine={"fail_in": stage})
    *_, error, done = chunks
    assert set(error) == {"error"}
    assert set(error["error"]) == {"message", "type", "param", "code"}
    assert (error["error"]["code"], error["error"]["type"], done) == ("engine_error", "server_error", "[DONE]")
    assert [chunk for chunk in chunks[:-2] if chunk["choices"][0]["finish_reason"]] == []


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_failure_of_a_whole_reply_is_500(tokenizer: ChainTokenizer, stage: Stage) -> None:
    response = await post(service_over(play(tokenizer, REVISED, fail_in=stage), tokenizer), CHAT, asking())
    assert (response.status_code, response.json()["error"]["code"]) == (500, "engine_error")


# The whole reply


async def test_a_whole_reply_has_openais_shape(tokenizer: ChainTokenizer) -> None:
    reply = await ask(tokenizer, REVISED)
    assert set(reply) == {"id", "object", "created", "model", "system_fingerprint", "choices", "usage"}
    assert (reply["object"], reply["model"], reply["system_fingerprint"]) == ("chat.completion", MODEL, ADAPTER)
    (choice,) = reply["choices"]
    assert (choice["index"], choice["logprobs"], choice["finish_reason"]) == (0, None, "stop")
    message = choice["message"]
    assert set(message) == {"role", "content", "reasoning", "reasoning_content", "reflection"}
    assert message["reasoning"].startswith(f"Draft: {DRAFT}\nWho:  a beginner\nImpact: ")
    assert message["reasoning_content"] == message["reasoning"]


async def test_the_reflection_is_the_chains_own_object(tokenizer: ChainTokenizer) -> None:
    reply = await post(service_over(play(tokenizer, REVISED), tokenizer), CHAT, asking())
    shown = reply.json()["choices"][0]["message"]["reflection"]
    reflection = load_reflection(httpx.Response(200, json=shown).content)
    assert (reflection.draft, reflection.answer, reflection.model, reflection.adapter) == (
        DRAFT,
        ANSWER,
        MODEL,
        ADAPTER,
    )


async def test_a_request_id_is_repeated(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    for stream_it in (True, False):
        response = await post(service, CHAT, asking(stream=stream_it), headers={"x-request-id": "abc"})
        assert response.headers["x-request-id"] == "abc"
        assert '"id":"chatcmpl-abc"' in response.text


async def test_without_a_request_id_each_reply_has_its_own(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    first, second = [await post(service, CHAT, asking()) for _ in range(2)]
    assert first.json()["id"] == f"chatcmpl-{first.headers['x-request-id']}"
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize(
    ("story", "fields", "reason"),
    [
        ("kept", {}, "stop"),
        ("endless-revision", {}, "length"),
        ("endless-draft", {}, "stop"),
        ("endless-draft", {"max_tokens": 40}, "length"),
        ("endless-revision", {"stop": "!"}, "stop"),
    ],
    ids=["kept", "cut-revision", "cut-draft-revised", "cut-answer", "stop-string"],
)
async def test_finish_reason_speaks_of_the_answer(
    tokenizer: ChainTokenizer, story: str, fields: dict[str, Any], reason: str
) -> None:
    reply = await ask(tokenizer, STORIES[story], **fields)
    assert reply["choices"][0]["finish_reason"] == reason


# Usage


def tokens(tokenizer: ChainTokenizer, story: Story) -> dict[Stage, int]:
    return {stage: len(script) for stage, script in play(tokenizer, story).scripts.items()}


@pytest.mark.parametrize(
    ("name", "fields", "answered"),
    [
        ("revised", {}, Stage.REVISED),
        ("kept", {}, Stage.DRAFT),
        ("empty-revision", {}, Stage.DRAFT),
        ("kept", {"model": f"{MODEL}-direct"}, Stage.DRAFT),
    ],
    ids=["revised", "kept", "empty-revision", "direct"],
)
async def test_usage_counts_the_prompt_once_and_everything_generated(
    tokenizer: ChainTokenizer, name: str, fields: dict[str, Any], answered: Stage
) -> None:
    engine = play(tokenizer, STORIES[name], cached_tokens=4)
    response = await post(service_over(engine, tokenizer), CHAT, asking(**fields))
    written = tokens(tokenizer, STORIES[name])
    generated = sum(written[stage] for stage in set(engine.reached))
    asked = len(engine.asked[0].prompt)
    assert response.json()["usage"] == {
        "prompt_tokens": asked,
        "completion_tokens": generated,
        "total_tokens": asked + generated,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": generated - written[answered]},
    }


@pytest.mark.parametrize("name", ["revised", "kept"])
async def test_usage_of_a_supplied_draft_counts_what_the_engine_read_and_wrote(
    tokenizer: ChainTokenizer, name: str
) -> None:
    engine = play(tokenizer, STORIES[name], cached_tokens=4)
    response = await post(service_over(engine, tokenizer), CHAT, asking(reflection={"draft": "No talent."}))
    written = tokens(tokenizer, STORIES[name])
    answer = written[Stage.REVISED] if name == "revised" else 0
    usage = response.json()["usage"]
    assert usage["prompt_tokens"] == len(engine.asked[0].prompt)
    assert usage["prompt_tokens_details"] == {"cached_tokens": 4}
    assert usage["completion_tokens"] == written[Stage.WITNESS] + answer
    assert usage["completion_tokens_details"] == {"reasoning_tokens": written[Stage.WITNESS]}


@pytest.mark.parametrize(
    "name",
    [
        "stream",
        "frequency_penalty",
        "presence_penalty",
        "include_reasoning",
        "reflection",
        "stop",
        "n",
        "tools",
        "seed",
    ],
)
async def test_null_is_not_given(tokenizer: ChainTokenizer, name: str) -> None:
    message = (await ask(tokenizer, REVISED, **{name: None}))["choices"][0]["message"]
    assert (message["content"], "reflection" in message) == (ANSWER, True)


# Several answers


async def test_several_answers_are_choices_with_a_reflection_each(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    reply = (await post(service_over(engine, tokenizer), CHAT, asking(n=3))).json()
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in reply["choices"]} == {ANSWER}
    assert len({choice["message"]["reflection"]["id"] for choice in reply["choices"]}) == 3
    assert len({generation.prompt for generation in engine.asked[:1]}) == 1


@pytest.mark.parametrize("chunk_size", [1, 7])
async def test_several_streams_folded_are_several_answers(tokenizer: ChainTokenizer, chunk_size: int) -> None:
    body = asking(n=3, stream=True, stream_options={"include_usage": True})
    chunks = sse_data(await post(service_over(play(tokenizer, REVISED, chunk_size=chunk_size), tokenizer), CHAT, body))
    assert chunks.pop() == "[DONE]"
    usage = chunks.pop()
    assert usage["choices"] == []
    for place in range(3):
        deltas = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == place]
        assert deltas[0]["delta"]["role"] == "assistant"
        assert "".join(each["delta"].get("content", "") for each in deltas) == ANSWER
        assert [each["finish_reason"] for each in deltas if each["finish_reason"]] == ["stop"]
        assert sum("reflection" in each["delta"] for each in deltas) == 1


async def test_several_answers_count_the_prompt_once(tokenizer: ChainTokenizer) -> None:
    one, three = [
        (await post(service_over(play(tokenizer, REVISED), tokenizer), CHAT, asking(n=n))).json()["usage"]
        for n in (1, 3)
    ]
    assert three["prompt_tokens"] == one["prompt_tokens"]
    assert three["completion_tokens"] == 3 * one["completion_tokens"]
    reasoning = [each["completion_tokens_details"]["reasoning_tokens"] for each in (one, three)]
    assert reasoning[1] == 3 * reasoning[0]


@pytest.mark.parametrize(
    ("seed", "seeds"), [(5, [5, 6, 7]), (2**63 - 1, [2**63 - 1, -(2**63), 1 - 2**63]), (None, [None] * 3)]
)
async def test_each_answer_has_a_seed_of_its_own(
    tokenizer: ChainTokenizer, seed: int | None, seeds: list[int | None]
) -> None:
    engine = play(tokenizer, KEPT)
    await post(service_over(engine, tokenizer), CHAT, asking(n=3, seed=seed))
    drafts = [each.sampling.seed for each in engine.asked if each.id.endswith("draft")]
    assert drafts == seeds


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_one_answer_that_fails_ends_the_others(tokenizer: ChainTokenizer, streamed: bool) -> None:
    engine = play(tokenizer, REVISED, fail_in=Stage.WITNESS)
    response = await post(service_over(engine, tokenizer), CHAT, asking(n=3, stream=streamed))
    errors = [chunk for chunk in sse_data(response)[:-1] if "error" in chunk] if streamed else [response.json()]
    assert [each["error"]["code"] for each in errors] == ["engine_error"]
    assert sorted(engine.closed) == sorted(each.id for each in engine.asked)


# What can be asked for


@pytest.mark.parametrize(
    "fields",
    [{"model": f"{MODEL}-direct"}, {"reasoning_effort": "none"}, {"reflection": {"mode": "off"}}],
    ids=["direct-model", "no-effort", "mode-off"],
)
async def test_an_answer_without_reflection(tokenizer: ChainTokenizer, fields: dict[str, Any]) -> None:
    message = (await ask(tokenizer, REVISED, **fields))["choices"][0]["message"]
    assert (message["content"], "reasoning" in message) == (DRAFT, False)
    assert (message["reflection"]["status"], message["reflection"]["decision"]) == ("bypassed", None)


async def test_hidden_reasoning_is_reflected_all_the_same(tokenizer: ChainTokenizer) -> None:
    message = (await ask(tokenizer, REVISED, include_reasoning=False))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": ANSWER}


async def test_a_supplied_draft_is_witnessed(tokenizer: ChainTokenizer) -> None:
    message = (await ask(tokenizer, REVISED, reflection={"draft": "No talent."}))["choices"][0]["message"]
    assert (message["reflection"]["draft"], message["content"]) == ("No talent.", ANSWER)
    assert message["reasoning"].startswith("Draft: No talent.\nWho: ")


@pytest.mark.parametrize(("own", "operators", "answer"), [(0.0, 1.0, ANSWER), (1.0, 0.0, DRAFT), (None, 0.0, ANSWER)])
async def test_a_callers_threshold_goes_over_the_operators(
    tokenizer: ChainTokenizer, own: float | None, operators: float, answer: str
) -> None:
    # The scripted engine gives both decisions the same probability.
    service = service_over(play(tokenizer, {**REVISED, Stage.WITNESS: (*SCENE, "<keep>")}), tokenizer)
    service = service_over(service.engine, tokenizer, revise_threshold=operators)
    response = await post(service, CHAT, asking(reflection={"revise_threshold": own}))
    assert response.json()["choices"][0]["message"]["content"] == answer


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({}, "temperature", 0.3),
        ({"temperature": 0}, "temperature", 0),
        ({"top_p": 0.5}, "top_p", 0.5),
        ({"seed": -3}, "seed", -3),
        ({"frequency_penalty": 1.5}, "frequency_penalty", 1.5),
        ({"presence_penalty": -1.5}, "presence_penalty", -1.5),
    ],
    ids=["default", "greedy", "top_p", "seed", "frequency", "presence"],
)
async def test_sampling_reaches_every_stage(
    tokenizer: ChainTokenizer, fields: dict[str, Any], name: str, value: float
) -> None:
    engine = play(tokenizer, REVISED)
    await post(service_over(engine, tokenizer), CHAT, asking(**fields))
    assert [getattr(each.sampling, name) for each in engine.asked] == [value] * len(engine.asked)


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_tokens": 40}, 40),
        ({"max_completion_tokens": 40}, 40),
        ({"max_tokens": 9, "max_completion_tokens": 40}, 40),
    ],
    ids=["old", "new", "new-goes-over-old"],
)
async def test_a_limit_is_on_all_that_is_generated(
    tokenizer: ChainTokenizer, fields: dict[str, Any], limit: int
) -> None:
    reply = await ask(tokenizer, STORIES["endless-draft"], **fields)
    assert reply["usage"]["completion_tokens"] == limit


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "u", "metadata": {"a": 1}, "service_tier": "auto", "chat_template_kwargs": {}},
        {"n": 1, "tools": [], "logprobs": False, "response_format": {"type": "text"}, "tool_choice": "none"},
        {"model": None, "stop": None, "max_tokens": None, "seed": None, "temperature": None, "top_p": None},
        {"reasoning_effort": "high"},
        {"logprobs": False, "top_logprobs": 0, "store": True},
    ],
    ids=["unknown", "harmless", "null", "effort", "nothing-wanted"],
)
async def test_fields_that_change_nothing_are_accepted(tokenizer: ChainTokenizer, fields: dict[str, Any]) -> None:
    assert (await ask(tokenizer, REVISED, **fields))["choices"][0]["message"]["content"] == ANSWER


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "there"}]}],
        [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello\nthere"}],
        [
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two", "reasoning": "Draft: …", "reasoning_content": "Draft: …"},
            {"role": "user", "content": "Three", "name": "Ann"},
        ],
    ],
    ids=["parts", "developer", "earlier-reasoning"],
)
async def test_messages_as_clients_send_them_are_accepted(
    tokenizer: ChainTokenizer, messages: list[dict[str, Any]]
) -> None:
    engine = play(tokenizer, KEPT)
    response = await post(service_over(engine, tokenizer), CHAT, {"messages": messages})
    assert response.status_code == 200
    assert "…" not in tokenizer.decode(engine.asked[0].prompt)


@pytest.mark.parametrize("marker", [*TOKEN_NAMES, "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "<SPECIAL_900>"])
async def test_a_marker_in_any_field_leaves_the_prompts_structure_as_it_was(
    tokenizer: ChainTokenizer, marker: str
) -> None:
    def body(said: str) -> dict[str, Any]:
        roles = ("system", "user", "assistant", "user")
        messages = [{"role": role, "content": f"so {said} spoke"} for role in roles]
        return {"messages": messages, "reflection": {"draft": f"so {said} wrote"}, "stop": [said]}

    structures = []
    for said in (marker, "nobody"):
        engine = play(tokenizer, REVISED)
        await post(service_over(engine, tokenizer), CHAT, body(said))
        assert f"so {said} spoke" in tokenizer.decode(engine.asked[0].prompt)
        structures.append([[t for t in each.prompt if t in tokenizer.control_ids] for each in engine.asked])
    assert structures[0] == structures[1]


# What is refused


def image(**part: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", **part}]}]


@pytest.mark.parametrize(
    ("fields", "status", "code", "param"),
    [
        ({"model": "gpt-5"}, 404, "model_not_found", "model"),
        ({"model": ""}, 404, "model_not_found", "model"),
        ({"messages": []}, 400, "invalid_request", "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, 400, "invalid_request", "messages[0]"),
        ({"messages": [{"role": "user", "content": []}]}, 400, "invalid_request", "messages[0]"),
        ({"messages": [{"role": "user"}]}, 400, "invalid_request", "messages[0].content"),
        ({"messages": [{"role": "user", "content": "a"}] * 2}, 400, "invalid_request", "messages[1]"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, 400, "invalid_request", "messages[0]"),
        ({"messages": [{"role": "system", "content": "a"}]}, 400, "invalid_request", "messages"),
        ({"messages": [{"role": "tool", "content": "a"}]}, 400, "invalid_request", "messages[0].role"),
        ({"messages": image(image_url={"url": "data:…"})}, 400, "invalid_request", "messages[0].content[1]"),
        ({"messages": asking("word " * 5000)["messages"]}, 400, "context_length_exceeded", "messages"),
        ({"n": 9}, 400, "invalid_request", "n"),
        ({"tool_choice": "required"}, 400, "invalid_request", "tool_choice"),
        ({"tool_choice": {"type": "function"}}, 400, "invalid_request", "tool_choice"),
        ({"n": 0}, 400, "invalid_request", "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, "invalid_request", "tools"),
        ({"functions": [{"name": "f"}]}, 400, "invalid_request", "functions"),
        ({"top_logprobs": 3}, 400, "invalid_request", "top_logprobs"),
        ({"logprobs": False, "top_logprobs": 1}, 400, "invalid_request", "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "invalid_request", "top_logprobs"),
        ({"stop": [""]}, 400, "invalid_request", "stop"),
        ({"stop": ""}, 400, "invalid_request", "stop"),
        ({"stop": list("abcde")}, 400, "invalid_request", "stop"),
        ({"model": f"{MODEL}-direct", "reflection": {"draft": "x"}}, 400, "invalid_request", "reflection.draft"),
        ({"reflection": {"draft": " "}}, 400, "invalid_request", "reflection.draft"),
        ({"reflection": {"draft": "x"}, "max_tokens": 20}, 400, "invalid_request", "max_tokens"),
        (
            *({"reflection": {"draft": "x"}, "max_tokens": 900, "max_completion_tokens": 20},),
            *(400, "invalid_request", "max_completion_tokens"),
        ),
    ],
    ids=[
        *("unknown-model", "empty-model", "no-messages", "empty-message", "no-parts", "no-content", "two-users"),
        *("assistant-first", "system-alone", "tool-message", "image", "too-long", "n-9", "tool-required"),
        *("tool-named", "n-0", "tools", "functions"),
        *("top-logprobs-alone", "top-logprobs-without", "top-logprobs-21"),
        *("empty-stops", "empty-stop", "five-stops", "draft-direct"),
        *("blank-draft", "draft-without-room", "draft-without-room-new-name"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_bad_input_is_refused_naming_the_field_before_anything_is_generated(
    tokenizer: ChainTokenizer, fields: dict[str, Any], status: int, code: str, param: str, streamed: bool
) -> None:
    engine = play(tokenizer, KEPT)
    response = await post(service_over(engine, tokenizer), CHAT, asking() | fields | {"stream": streamed})
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (status, "invalid_request_error")
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"].endswith((".", "!"))
    assert engine.asked == []
