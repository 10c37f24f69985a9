"""What can be asked of the server: each call with its bytes and with the reader of its answer, and no I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

from tear_chain.conversation import Conversation, Message
from tear_chain.errors import InvalidRequest
from tear_chain.wire import load_reflection
from tear_chain.words import Decision, Problem, Reflection, Scene, Status
from tear_client.replies import (
    Health,
    LoadedAdapter,
    OutcomeReport,
    RemovedAdapter,
    ServedAdapter,
    ServedModel,
    ServerVersion,
    Witness,
)

DIRECT_SUFFIX = "-direct"
"""Ends the name under which a model answers without reflection."""
WITNESS_BATCH = 64
"""The most answers that the server witnesses in one request."""

_ADAPTERS = "/v1/adapters"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request, and how to read its answer."""

    method: str
    path: str
    what: str
    """What the answer is, for saying that it was something else."""
    read: Callable[[bytes], T]
    """Raises `ValueError` where the answer is something else."""
    body: bytes | None = None
    is_probe: bool = False
    """Whether 503 is an answer, too, and comes at once: nothing is tried again."""


class Wishes(TypedDict, total=False):
    """How a reflection is wanted; what is left out or None the server chooses."""

    model: str | None
    draft: str | None
    """Someone's answer to witness; the chain starts from it instead of drafting one."""
    temperature: float | None
    top_p: float | None
    seed: int | None
    max_completion_tokens: int | None
    """Limit on all that is generated, draft and witness included."""
    max_draft_tokens: int | None
    max_witness_tokens: int | None
    revise_threshold: float | None
    """Revise from this probability on, whatever the model itself would choose."""
    session_id: str | None
    """The conversation's name: with many engines its turns are kept on one."""


class Draws(TypedDict, total=False):
    """How scenes are wanted; what is left out or None the server chooses."""

    model: str | None
    temperature: float | None
    top_p: float | None
    seed: int | None
    revise_threshold: float | None
    session_id: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """An answer to witness, and the situation that it answers: what a person said, or a whole conversation."""

    situation: str | Sequence[Message]
    answer: str


class _ModelList(BaseModel):
    data: tuple[ServedModel, ...]


class _AdapterList(BaseModel):
    data: tuple[LoadedAdapter, ...]


class _Foreseen(BaseModel):
    index: int
    witness: Scene
    expected_weight: float | None = None
    decision: Decision | None = None
    revise_probability: float | None = None
    status: Status
    problems: tuple[Problem, ...] = ()


class _WitnessList(BaseModel):
    model: str
    adapter: str | None = None
    data: tuple[_Foreseen, ...]


def reflection_call(text_or_messages: str | Sequence[Message], wishes: Wishes, *, stream: bool) -> Call[Reflection]:
    """Reflect on a conversation; raise `InvalidRequest` for one that no server would take."""
    body = {"messages": _turns(text_or_messages), **wishes, "stream": stream or None}
    return Call(method="POST", path="/v1/reflections", what="a reflection", read=load_reflection, body=_json(body))


def to_items(answers: str | Item | Sequence[str | Item], situation: str | Sequence[Message] | None) -> list[Item]:
    """The answers with the situations they answer; `situation` is that of every answer which brings none."""
    several = [answers] if isinstance(answers, str | Item) else answers
    items: list[Item] = []
    for index, answer in enumerate(several):
        if isinstance(answer, Item):
            items.append(answer)
        elif situation is None:
            raise InvalidRequest(
                f"answers[{index}] is text alone. Say with `situation` what it answers, or give an Item.",
                param="situation",
            )
        else:
            items.append(Item(situation, answer))
    return items


def witness_calls(items: Sequence[Item], draws: Draws) -> Iterator[Call[tuple[Witness, ...]]]:
    """Foresee what answers would do, as many in one request as the server takes."""
    bodies = [{"messages": _turns(item.situation), "answer": item.answer} for item in items]
    for start in range(0, len(bodies), WITNESS_BATCH):
        batch = bodies[start : start + WITNESS_BATCH]
        yield Call(
            method="POST",
            path="/v1/witness",
            what="the scenes that were asked for",
            read=_scene_reader(len(batch)),
            body=_json({"items": batch, **draws}),
        )


def report_call(reflection_id: str, *, text: str, weight: int | None) -> Call[OutcomeReport]:
    """Report what really came of an answer."""
    return Call(
        method="POST",
        path=f"/v1/reflections/{_segment(reflection_id)}/outcome",
        what="the report",
        read=OutcomeReport.model_validate_json,
        body=_json({"text": text, "weight": weight}),
    )


def models_call() -> Call[tuple[ServedModel, ...]]:
    """List the models; the first answers when none is named."""

    def read(body: bytes) -> tuple[ServedModel, ...]:
        return _ModelList.model_validate_json(body).data

    return Call(method="GET", path="/v1/models", what="a list of models", read=read)


def health_call() -> Call[Health]:
    """Is the process alive, and its engine not given up?"""
    return Call(method="GET", path="/health", what="its health", read=TypeAdapter(Health).validate_json, is_probe=True)


def ready_call() -> Call[Health]:
    """Can a reflection be served now?"""
    return Call(method="GET", path="/ready", what="its health", read=TypeAdapter(Health).validate_json, is_probe=True)


def version_call() -> Call[ServerVersion]:
    """What runs there?"""
    return Call(method="GET", path="/version", what="its version", read=ServerVersion.model_validate_json)


def adapters_call() -> Call[tuple[LoadedAdapter, ...]]:
    """List the versions that are loaded."""

    def read(body: bytes) -> tuple[LoadedAdapter, ...]:
        return _AdapterList.model_validate_json(body).data

    return Call(method="GET", path=_ADAPTERS, what="a list of adapters", read=read)


def load_adapter_call(path: str, *, model: str | None) -> Call[ServedAdapter]:
    """Load an adapter from the server's folder of adapters, and serve it from then on."""
    return Call(
        method="POST",
        path=_ADAPTERS,
        what="what is served now",
        read=ServedAdapter.model_validate_json,
        body=_json({"path": path, "model": model}),
    )


def roll_back_call(model: str) -> Call[ServedAdapter]:
    """Serve the version before again."""
    return Call(
        method="POST",
        path=f"{_ADAPTERS}/{_segment(model)}/rollback",
        what="what is served now",
        read=ServedAdapter.model_validate_json,
    )


def remove_adapter_call(name: str) -> Call[RemovedAdapter]:
    """Stop serving a model, or unload a version."""
    return Call(
        method="DELETE",
        path=f"{_ADAPTERS}/{_segment(name)}",
        what="what was removed",
        read=RemovedAdapter.model_validate_json,
    )


def is_direct(model: str) -> bool:
    """Whether a model of that name answers without reflection."""
    return model.endswith(DIRECT_SUFFIX)


def _turns(text_or_messages: str | Sequence[Message]) -> list[dict[str, str]]:
    """The turns of a conversation, checked; a text alone is one person speaking once."""
    if isinstance(text_or_messages, str):
        conversation = Conversation.asking(text_or_messages)
    else:
        conversation = Conversation.of(text_or_messages)
    return [{"role": message.role.value, "content": message.text} for message in conversation.messages]


def _scene_reader(count: int) -> Callable[[bytes], tuple[Witness, ...]]:
    def read(body: bytes) -> tuple[Witness, ...]:
        reply = _WitnessList.model_validate_json(body)
        if [found.index for found in reply.data] != list(range(count)):
            raise ValueError(f"{len(reply.data)} scenes for {count} answers, or in another order")
        return tuple(
            Witness(
                scene=found.witness,
                expected_weight=found.expected_weight,
                decision=found.decision,
                revise_probability=found.revise_probability,
                status=found.status,
                problems=found.problems,
                model=reply.model,
                adapter=reply.adapter,
            )
            for found in reply.data
        )

    return read


def _segment(text: str) -> str:
    """A name as one part of a path; raise `InvalidRequest` where it is none."""
    if not text or text in (".", ".."):
        raise InvalidRequest(f"{text!r} is no name. Give one that the server told.", param="name")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise InvalidRequest("The name is not valid Unicode text. Send it as UTF-8.", param="name") from error


def _json(fields: dict[str, Any]) -> bytes:
    """The JSON of what is not None; raise `InvalidRequest`, naming the field, for what JSON cannot carry."""
    members = [_member(name, value) for name, value in fields.items() if value is not None]
    return b"{" + b", ".join(members) + b"}"


def _member(name: str, value: Any) -> bytes:
    try:
        return f'"{name}": {json.dumps(value, ensure_ascii=False, allow_nan=False)}'.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} is not valid Unicode text. Send it as UTF-8.", param=name) from error
    except ValueError as error:
        raise InvalidRequest(f"{name} is {value}, expected an ordinary number.", param=name) from error
