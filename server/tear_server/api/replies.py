"""What replies look like, for the application's description of itself; a test holds the real ones to it."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from pydantic import ConfigDict
from typing_extensions import TypedDict

from tear_chain.words import Decision, Problem, Reflection, Scene, Status


class ErrorObject(TypedDict):
    """What went wrong."""

    message: str
    type: Literal["invalid_request_error", "rate_limit_error", "server_error"]
    param: str | None
    code: str


class ErrorReply(TypedDict):
    """OpenAI's shape of an error."""

    error: ErrorObject


# Chat


class PromptTokensDetails(TypedDict):
    """Of the tokens that were read."""

    cached_tokens: int


class CompletionTokensDetails(TypedDict):
    """Of the tokens that were written."""

    reasoning_tokens: int


class ChatUsage(TypedDict):
    """The conversation counted once, and all that was generated."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class ChatAnswer(TypedDict):
    """The answer, and the chain beside it unless `include_reasoning` is false."""

    role: Literal["assistant"]
    content: str
    reflection: NotRequired[Reflection]
    reasoning: NotRequired[str]
    reasoning_content: NotRequired[str]


class ChatChoice(TypedDict):
    """One answer."""

    index: int
    message: ChatAnswer
    logprobs: dict[str, Any] | None
    finish_reason: Literal["stop", "length"]


class ChatCompletion(TypedDict):
    """OpenAI's chat completion."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: ChatUsage


class ChatDelta(TypedDict):
    """What a chunk adds: the role, reasoning, content, or the reflection."""

    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str]
    reasoning: NotRequired[str]
    reasoning_content: NotRequired[str]
    reflection: NotRequired[Reflection]


class ChatChunkChoice(TypedDict):
    """Whose it is."""

    index: int
    delta: ChatDelta
    logprobs: dict[str, Any] | None
    finish_reason: Literal["stop", "length"] | None


class ChatChunk(TypedDict):
    """The data of one event; the last event is `[DONE]`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChunkChoice]
    usage: NotRequired[ChatUsage]


# Responses


class ReasoningPart(TypedDict):
    """The chain, told for people."""

    type: Literal["reasoning_text"]
    text: str


class ReasoningItem(TypedDict):
    """Draft, witness and decision."""

    id: str
    type: Literal["reasoning"]
    status: Literal["in_progress", "completed", "incomplete"]
    summary: list[Any]
    content: list[ReasoningPart]


class OutputPart(TypedDict):
    """Text of the answer."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[Any]


class MessageItem(TypedDict):
    """The answer."""

    id: str
    type: Literal["message"]
    status: Literal["in_progress", "completed", "incomplete"]
    role: Literal["assistant"]
    content: list[OutputPart]


class InputTokensDetails(TypedDict):
    """Of the tokens that were read."""

    cached_tokens: int
    cache_write_tokens: int


class ResponseUsage(TypedDict):
    """The conversation counted once, and all that was generated."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: CompletionTokensDetails
    total_tokens: int


class IncompleteDetails(TypedDict):
    """Why a response ended early."""

    reason: Literal["max_output_tokens"]


class ReasoningEcho(TypedDict):
    """What was asked for."""

    effort: str | None
    summary: None


class TextEcho(TypedDict):
    """What the answer is written in."""

    format: dict[str, Any]


class ResponseReply(TypedDict):
    """OpenAI's response. What is not supported stands at the value that says so."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    error: dict[str, Any] | None
    incomplete_details: IncompleteDetails | None
    model: str
    output: list[ReasoningItem | MessageItem]
    usage: ResponseUsage | None
    reflection: Reflection | None
    instructions: str | None
    max_output_tokens: int | None
    temperature: float
    top_p: float
    frequency_penalty: float
    presence_penalty: float
    reasoning: ReasoningEcho
    metadata: dict[str, str]
    text: TextEcho
    truncation: Literal["disabled"]
    tools: list[Any]
    tool_choice: Literal["none"]
    parallel_tool_calls: bool
    max_tool_calls: None
    top_logprobs: int
    store: bool
    background: bool
    previous_response_id: None
    service_tier: Literal["default"]
    safety_identifier: None
    prompt_cache_key: None


class ResponseEvent(TypedDict):
    """The data of one event, which is named after its `type`; the rest of it is that type's own."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    type: str
    sequence_number: int
    response: NotRequired[ResponseReply]


# The Tear's own


class WitnessedItem(TypedDict):
    """What one answer would do."""

    index: int
    object: Literal["witness"]
    status: Status
    problems: list[Problem]
    witness: Scene
    expected_weight: float | None
    decision: Decision | None
    revise_probability: float | None


class WitnessUsage(TypedDict):
    """Of all items together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class WitnessReply(TypedDict):
    """The items in the order in which they were asked about."""

    id: str
    object: Literal["list"]
    model: str
    adapter: str
    data: list[WitnessedItem]
    usage: WitnessUsage


class StoredMessage(TypedDict):
    """What was said."""

    role: str
    content: str


class OutcomeFacts(TypedDict):
    """What a person says really came of it."""

    reported: str
    text: str
    weight: int | None


class OutcomeReply(OutcomeFacts):
    """A report, as it is kept."""

    id: str
    object: Literal["outcome"]


class StoredReply(TypedDict):
    """A reflection of the journal."""

    id: str
    object: Literal["reflection"]
    created: str
    model: str
    adapter: str | None
    messages: list[StoredMessage]
    draft: str
    witness: Scene
    expected_weight: float | None
    decision: Decision | None
    revise_probability: float | None
    answer: str
    status: Status
    outcome: OutcomeFacts | None


# Operations


class ModelReply(TypedDict):
    """A name that is served."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str
    max_model_len: int
    reflects: bool
    adapter: str
    cas: float | None


class ModelList(TypedDict):
    """All names."""

    object: Literal["list"]
    data: list[ModelReply]


class AdapterReply(TypedDict):
    """A version that is loaded."""

    id: str
    object: Literal["adapter"]
    name: str
    rank: int
    models: list[str]
    before_in: list[str]
    in_flight: int
    metrics: dict[str, Any]


class AdapterList(TypedDict):
    """All versions."""

    object: Literal["list"]
    data: list[AdapterReply]


class LineReply(TypedDict):
    """What a model answers with, and what a rollback would put back."""

    object: Literal["model.adapter"]
    model: str
    adapter: str
    before: str | None


class RemovedReply(TypedDict):
    """What is served or loaded no more."""

    id: str
    object: Literal["model", "adapter"]
    deleted: Literal[True]


class HealthReply(TypedDict):
    """How the server fares; a message where it does not."""

    status: str
    message: NotRequired[str]


class BaseFacts(TypedDict):
    """The prepared base."""

    name: str
    fingerprint: str


class AdapterFacts(TypedDict):
    """The adapter, and what training measured of it."""

    name: str
    metrics: dict[str, Any]


class VersionReply(TypedDict):
    """What is running."""

    version: str
    format_version: int
    base: BaseFacts
    adapter: AdapterFacts
    journal: bool
