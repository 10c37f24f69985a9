"""Replies on disk, one file each under the digest of what was asked: an interrupted run asks nothing twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tear_chain.errors import DataError
from tear_training.rows import Message


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn; None leaves a value to the endpoint."""

    seed: int
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What decides a reply, as far as a caller can decide it."""

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling

    @property
    def key(self) -> str:
        """SHA-256 over model, messages and sampling: the reply's name in the cache."""
        sampling = self.sampling
        drawn = [sampling.seed, sampling.temperature, sampling.top_p, sampling.max_tokens]
        return _digest([self.model, _said(self.messages), drawn])

    @property
    def prompt_digest(self) -> str:
        """SHA-256 over the messages alone."""
        return _digest(_said(self.messages))


class Reply(BaseModel):
    """What an endpoint answered; the text is empty where it said nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    text: str
    finish_reason: str
    refusal: str | None = None


class ReplyCache:
    """A folder of replies. A file is written whole or not at all, so one that is there can be trusted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, request: Request) -> Reply | None:
        """The reply to this very request, if it is here; `DataError` names a file that is damaged."""
        path = self._path(request)
        try:
            return Reply.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise DataError(f"{path} cannot be read: {exc.strerror}.") from exc
        except ValidationError as exc:
            raise DataError(f"{path} is no cached reply. Delete it, and it is asked again.") from exc

    def keep(self, request: Request, reply: Reply) -> None:
        """Store a reply."""
        path = self._path(request)
        partial = path.with_name(path.name + ".partial")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            partial.write_text(reply.model_dump_json() + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as exc:
            raise DataError(f"{path} cannot be written: {exc.strerror}.") from exc

    def _path(self, request: Request) -> Path:
        return self._folder / f"{request.key}.json"


def _said(messages: Sequence[Message]) -> list[list[str]]:
    return [[message.role, message.content] for message in messages]


def _digest(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
