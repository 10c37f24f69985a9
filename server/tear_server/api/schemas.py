"""Request bodies, as pydantic models; each knows how to become the chain's types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.errors import InvalidRequest, RequestError
from tear_server.api.exposure import Part, Shown, to_shown
from tear_server.budget import MIN_ANSWER, MIN_WITNESS
from tear_server.json_format import ANY_OBJECT, read_schema


def _whole(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        # JSON can carry half a surrogate pair, UTF-8 cannot: it would break the reply that repeats it.
        raise ValueError("half of a surrogate pair is no text") from exc
    if "\0" in text:
        raise ValueError("a null character is no text")
    return text


Item = TypeVar("Item")
Text = Annotated[str, AfterValidator(_whole)]
Listed = Annotated[list[Item], Field(fail_fast=True)]
"""A list of which the first fault is told: to tell all of two million would stop everybody's work for a minute."""
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(gt=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Tokens = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
DraftTokens = Annotated[int, Field(ge=MIN_ANSWER)]
WitnessTokens = Annotated[int, Field(ge=MIN_WITNESS)]
TopLogprobs = Annotated[int, Field(ge=0, le=20)]


class ContentPart(BaseModel):
    """One part of a message; only `text` is understood."""

    model_config = ConfigDict(extra="allow")

    type: Text
    text: Text | None = None


class ChatMessage(BaseModel):
    """One message. `reasoning` of an earlier turn is accepted and left out: only answers are remembered."""

    model_config = ConfigDict(extra="allow")

    role: Text
    content: Text | Listed[ContentPart] | None = None


class ReflectionOptions(BaseModel):
    """The one extension object of a chat request."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["auto", "off"] = "auto"
    """`off` answers without reflecting."""
    draft: Text | None = None
    """Witness this draft instead of one of the model's own."""
    revise_threshold: Share | None = None
    """Revise from this probability on; not given, the server's setting or the model's own decision."""
    max_draft_tokens: DraftTokens | None = None
    max_witness_tokens: WitnessTokens | None = None
    expose: list[Part] | None = None
    """What the reply shows beside the answer: all, unless said."""


class JsonSchema(BaseModel):
    """The `json_schema` of a `response_format`. An answer is held to its schema, `strict` or not."""

    model_config = ConfigDict(extra="allow")

    name: Text | None = None
    description: Text | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class ResponseFormat(BaseModel):
    """OpenAI's `response_format`: what an answer must be."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    async def read(self) -> str | None:
        """The JSON schema for the engine, None for text; raise `InvalidRequest` if it cannot be used."""
        if self.type != "json_schema":
            return None if self.type == "text" else ANY_OBJECT
        if self.json_schema is None:
            raise InvalidRequest(
                "response_format.json_schema is missing. Say which schema.", param="response_format.json_schema"
            )
        return await read_schema(self.json_schema.schema_, param="response_format.json_schema.schema")


class StreamOptions(BaseModel):
    """OpenAI's `stream_options`."""

    model_config = ConfigDict(extra="allow")

    include_usage: bool = False
    continuous_usage_stats: bool = False


class ChatRequest(BaseModel):
    """`POST /v1/chat/completions`, OpenAI's fields and `reflection`. Unknown fields are ignored, as vLLM does."""

    model_config = ConfigDict(extra="allow")

    messages: Listed[ChatMessage]
    model: Text | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    frequency_penalty: Penalty = 0.0
    presence_penalty: Penalty = 0.0
    seed: Seed | None = None
    stop: Text | Listed[Text] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    """So many answers side by side, each with a reflection of its own."""
    logprobs: bool | None = None
    top_logprobs: TopLogprobs | None = None
    """So many likely tokens in the place of each of the answer's; takes `logprobs`."""
    response_format: ResponseFormat | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    reasoning_effort: str | None = None
    """`none` answers without reflecting; any other value reflects."""
    include_reasoning: bool = True
    """False reflects and does not show it."""
    session_id: Text | None = None
    """The conversation's name, as vLLM has it."""
    reflection: ReflectionOptions = Field(default_factory=ReflectionOptions)

    @model_validator(mode="before")
    @classmethod
    def _take_null_for_not_given(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given

    def refuse_unsupported(self) -> None:
        """Raise `InvalidRequest` for what is asked and cannot be done; silence would be a wrong answer."""
        if self.tools or self.functions:
            name = "tools" if self.tools else "functions"
            raise InvalidRequest(f"{name} are not supported. Leave them out.", param=name)
        if self.tool_choice not in (None, "none", "auto"):
            raise InvalidRequest("tool_choice asks for a tool, and tools are not supported.", param="tool_choice")
        if self.top_logprobs and not self.logprobs:
            raise InvalidRequest("top_logprobs takes logprobs. Say logprobs: true, too.", param="top_logprobs")

    @property
    def shown(self) -> Shown:
        """What the reply shows beside the answer; raise `InvalidRequest` where that is contradictory."""
        return to_shown(self.reflection.expose, include_reasoning=self.include_reasoning)

    def in_callers_words(self, error: RequestError) -> RequestError:
        """The error with its field named as it was written."""
        if error.param == "max_completion_tokens" and self.max_completion_tokens is None:
            return _renamed(error, "max_tokens")
        return under_reflection(error)

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings, however they were given; raise `InvalidRequest` for an empty one or more than four."""
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        if len(stops) > 4 or any(not stop for stop in stops):
            raise InvalidRequest("stop takes one to four strings, none of them empty.", param="stop")
        return stops


class ReflectionBody(BaseModel):
    """`POST /v1/reflections`: the chain as one object, or as typed events."""

    model_config = ConfigDict(extra="forbid")

    messages: Listed[ChatMessage]
    model: Text | None = None
    draft: Text | None = None
    """Witness this draft, by whomever, instead of one of the model's own."""
    stream: bool = False
    temperature: Temperature | None = None
    top_p: TopP | None = None
    seed: Seed | None = None
    max_completion_tokens: Tokens | None = None
    """Limit on all that is generated, draft and witness included."""
    revise_threshold: Share | None = None
    session_id: Text | None = None
    max_draft_tokens: DraftTokens | None = None
    max_witness_tokens: WitnessTokens | None = None


class WitnessItem(BaseModel):
    """An answer that somebody gave, and the conversation that it answers."""

    model_config = ConfigDict(extra="forbid")

    messages: Listed[ChatMessage]
    answer: Text


class WitnessBody(BaseModel):
    """`POST /v1/witness`: what answers would do, by whomever they were written."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[Listed[WitnessItem], Field(min_length=1, max_length=64)]
    model: Text | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    seed: Seed | None = None
    revise_threshold: Share | None = None
    """Advise to revise from this probability on."""
    session_id: Text | None = None


def session_named(field: str | None, headers: Mapping[str, str]) -> str | None:
    """What the caller calls the conversation, in the body or by the header that routers know."""
    return field or headers.get("x-session-id")


def under_reflection(error: RequestError) -> RequestError:
    """The error with its field named as an option of `reflection`, if it is one."""
    return _renamed(error, f"reflection.{error.param}") if error.param in ReflectionOptions.model_fields else error


def to_conversation(messages: list[ChatMessage]) -> Conversation:
    """The messages as a conversation; raise `InvalidRequest` naming the one that cannot be used."""
    return Conversation.of([_to_message(message, f"messages[{index}]") for index, message in enumerate(messages)])


def _renamed(error: RequestError, name: str) -> RequestError:
    return type(error)(re.sub(rf"\b{error.param}(?= is )", name, error.message), param=name)


def _to_message(message: ChatMessage, where: str) -> Message:
    roles = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
    role = roles.get(message.role)
    if role is None:
        raise InvalidRequest(
            f"{where}.role is {message.role!r}, expected system, user or assistant.", param=f"{where}.role"
        )
    content = message.content
    if content is None:
        raise InvalidRequest(f"{where}.content is missing. Write something.", param=f"{where}.content")
    if isinstance(content, str):
        return Message(role, content)
    for index, part in enumerate(content):
        if part.type != "text" or part.text is None:
            raise InvalidRequest(
                f"{where}.content[{index}] is of type {part.type!r}; only text is understood.",
                param=f"{where}.content[{index}]",
            )
    return Message(role, "\n".join(part.text or "" for part in content))
