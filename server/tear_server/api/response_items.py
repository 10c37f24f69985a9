"""Items of the Responses API: those of the input as messages, those of the output as they grow."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from tear_chain.errors import InvalidRequest, RequestError
from tear_chain.events import ScoredToken
from tear_server.api.logprobs import event_logprobs, response_logprobs
from tear_server.api.schemas import ChatMessage, ContentPart, Listed, ReflectionOptions, Text, under_reflection

TEXT_PARTS = ("input_text", "output_text")
ItemStatus = Literal["in_progress", "completed", "incomplete"]

_TEXT = TypeAdapter[str](Text)


class InputPart(BaseModel):
    """One part of a message; only the two kinds of text are understood."""

    model_config = ConfigDict(extra="allow")

    type: Text
    text: Text | None = None


def _as_parts(value: object) -> object:
    return [InputPart(type="input_text", text=_checked(value))] if isinstance(value, str) else value


Parts = Annotated[Listed[InputPart], BeforeValidator(_as_parts, json_schema_input_type=Text | list[InputPart])]


class InputItem(BaseModel):
    """A message, or the reasoning of an earlier turn, which is left out: only answers are remembered."""

    model_config = ConfigDict(extra="allow")

    type: Text | None = None
    role: Text = ""
    content: Parts | None = None

    def place(self, index: int) -> str:
        """How a caller names this item."""
        return f"input[{index}]"

    def to_message(self) -> ChatMessage:
        """As a chat request would have it."""
        if self.content is None:
            return ChatMessage(role=self.role)
        parts = [
            ContentPart(type="text" if part.type in TEXT_PARTS else part.type, text=part.text) for part in self.content
        ]
        return ChatMessage(role=self.role, content=parts)


class _OnlyItem(InputItem):
    """An input that is one string."""

    def place(self, index: int) -> str:
        return "input"


def _as_items(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [_OnlyItem(role="user", content=[InputPart(type="input_text", text=_checked(value))])]


def _checked(text: str) -> str:
    try:
        return _TEXT.validate_python(text)
    except ValidationError as exc:
        # Raised as it is, it would show as pydantic's own report, several lines long.
        raise ValueError(str(exc.errors()[0]["ctx"]["error"])) from exc


Items = Annotated[Listed[InputItem], BeforeValidator(_as_items, json_schema_input_type=Text | list[InputItem])]


@dataclass(frozen=True, slots=True)
class Placed:
    """A message and where its caller wrote it."""

    place: str
    message: ChatMessage


def to_messages(items: Sequence[InputItem], *, instructions: str | None) -> list[Placed]:
    """The messages to answer, `instructions` in front; raise `InvalidRequest` for an item that is no message."""
    placed = []
    for index, item in enumerate(items):
        if item.type == "reasoning":
            continue
        if item.type not in (None, "message"):
            where = f"{item.place(index)}.type"
            raise InvalidRequest(f"{where} is {item.type!r}; only message and reasoning are understood.", param=where)
        placed.append(Placed(item.place(index), item.to_message()))
    if instructions is None or not instructions.strip():
        return placed
    first = Placed("instructions", ChatMessage(role="system", content=instructions))
    if placed and (joined := _joined(instructions, placed[0])):
        return [joined, *placed[1:]]
    return [first, *placed]


def _joined(instructions: str, first: Placed) -> Placed | None:
    """The input's own system message with `instructions` before it: the chain has one system prompt."""
    message = first.message
    if message.role not in ("system", "developer") or not isinstance(message.content, list) or not message.content:
        return None
    head, *rest = message.content
    if head.type != "text" or not (head.text or "").strip():
        return None
    parts = [ContentPart(type="text", text=f"{instructions}\n\n{head.text}"), *rest]
    return Placed(first.place, ChatMessage(role=message.role, content=parts))


def in_callers_words(error: RequestError, placed: Sequence[Placed]) -> RequestError:
    """The error with the fields named as this API names them."""

    def name(found: re.Match[str]) -> str:
        if found[0] == "max_completion_tokens":
            return "max_output_tokens"
        if found["index"] is None:
            return "input"
        index = int(found["index"])
        return placed[index].place if index < len(placed) else found[0]

    def renamed(text: str) -> str:
        return re.sub(r"\bmax_completion_tokens\b|\bmessages\b(?:\[(?P<index>\d+)\])?", name, text)

    if error.param in ReflectionOptions.model_fields:
        return under_reflection(error)
    return type(error)(renamed(error.message), param=None if error.param is None else renamed(error.param))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of output item: one part of text in an item of its own."""

    type: str
    prefix: str
    """Of its ids."""
    part: str
    """The part's type; the events of its text are named after it."""
    item_fields: Mapping[str, Any]
    part_fields: Mapping[str, Any]
    has_logprobs: bool
    """Whether its part, and the events of its text, have a list of them."""


REASONING = Kind("reasoning", "rs", "reasoning_text", {"summary": []}, {}, has_logprobs=False)
MESSAGE = Kind("message", "msg", "output_text", {"role": "assistant"}, {"annotations": []}, has_logprobs=True)


class Output:
    """A response's output items while they are written; what a method returns are the events that tell of it."""

    def __init__(self) -> None:
        self._items: list[_OutputItem] = []

    def write(self, kind: Kind, text: str, tokens: Sequence[ScoredToken] = ()) -> list[dict[str, Any]]:
        """Add text of that kind, and its tokens so far, to the item being written or to a new one."""
        events = []
        if not self._items or self._items[-1].kind is not kind:
            events += self.end("completed")
            self._items.append(_OutputItem(kind, len(self._items)))
            events += self._items[-1].begin()
        return events + self._items[-1].write(text, tokens)

    def end(self, status: ItemStatus) -> list[dict[str, Any]]:
        """End the item being written, if there is one."""
        return self._items[-1].end(status) if self._items else []

    def shown(self, *, unfinished: ItemStatus = "in_progress") -> list[dict[str, Any]]:
        """The items so far; `unfinished` is the status of one that has not ended."""
        return [item.shown(unfinished=unfinished) for item in self._items]


class _OutputItem:
    def __init__(self, kind: Kind, index: int) -> None:
        self.kind = kind
        self._index = index
        self._id = f"{kind.prefix}_{uuid.uuid4().hex}"
        self._status: ItemStatus = "in_progress"
        self._text = ""
        self._tokens: list[ScoredToken] = []

    def begin(self) -> list[dict[str, Any]]:
        item = {**self.shown(unfinished="in_progress"), "content": []}
        return [
            {"type": "response.output_item.added", "output_index": self._index, "item": item},
            self._about("response.content_part.added", part=self._part()),
        ]

    def write(self, text: str, tokens: Sequence[ScoredToken]) -> list[dict[str, Any]]:
        self._text += text
        self._tokens += tokens
        if not text and not tokens:
            return []
        return [self._about(f"response.{self.kind.part}.delta", delta=text, **self._logprobs(tokens))]

    def end(self, status: ItemStatus) -> list[dict[str, Any]]:
        self._status = status
        item = self.shown(unfinished=status)
        return [
            self._about(f"response.{self.kind.part}.done", text=self._text, **self._logprobs(self._tokens)),
            self._about("response.content_part.done", part=self._part()),
            {"type": "response.output_item.done", "output_index": self._index, "item": item},
        ]

    def shown(self, *, unfinished: ItemStatus) -> dict[str, Any]:
        status = unfinished if self._status == "in_progress" else self._status
        head = {"id": self._id, "type": self.kind.type, "status": status}
        return {**head, **self.kind.item_fields, "content": [self._part()]}

    def _part(self) -> dict[str, Any]:
        part = {"type": self.kind.part, "text": self._text, **self.kind.part_fields}
        return {**part, "logprobs": response_logprobs(self._tokens)} if self.kind.has_logprobs else part

    def _logprobs(self, tokens: Sequence[ScoredToken]) -> dict[str, Any]:
        return {"logprobs": event_logprobs(tokens)} if self.kind.has_logprobs else {}

    def _about(self, name: str, **fields: Any) -> dict[str, Any]:
        return {
            "type": name,
            "item_id": self._id,
            "output_index": self._index,
            "content_index": 0,
            **fields,
        }
