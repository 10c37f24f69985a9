"""One HTTP request as its log lines, its spans and its key's account see it; whoever works on it finds it here."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tear_chain.errors import TearError
from tear_chain.events import Completed, Event, StageCompleted, StageStarted, TextDelta
from tear_chain.words import Outcome, Reflection

if TYPE_CHECKING:
    from tear_server.admission import Admission
    from tear_server.reflection import ReflectionRequest
    from tear_server.spans import RequestSpan, RunSpans

NAME = re.compile(r"[!-~]{1,128}")
"""An id that a client may give: it goes into headers, logs and spans, where it must be one word."""
INTERNAL_ERROR = "internal_error"
"""The code of a failure that has no name of its own."""
_current: ContextVar[Call | None] = ContextVar("tear_call", default=None)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, in the words of OpenAI's `usage`."""

    prompt: int
    completion: int
    cached: int
    reasoning: int

    @property
    def total(self) -> int:
        """Read and written."""
        return self.prompt + self.completion


@dataclass(slots=True)
class Run:
    """One reflection of a call: shown every event, it knows what was generated, also where it breaks off."""

    id: str
    model: str
    only_witness: bool
    spans: RunSpans | None = None
    """None where nothing is traced."""
    outcome: Outcome = Outcome.CANCELLED
    """How it ended; until then, as what it would count if it were left here."""
    code: str | None = None
    """Of the error that broke it off."""
    reflection: Reflection | None = None
    tokens: int = 0
    """Generated so far. Of a stage that goes on its pieces are counted, none of which is less than a token."""
    first_text_s: float | None = None
    """When its first text came, on the monotonic clock."""
    _pieces: int = 0

    def see(self, event: Event) -> None:
        """Take notice of what happened."""
        if self.spans is not None:
            self.spans.see(event)
        match event:
            case TextDelta():
                if self.first_text_s is None:
                    self.first_text_s = time.monotonic()
                self._pieces += 1
                self.tokens += 1
            case StageStarted():
                self._pieces = 0
            case StageCompleted(report=report):
                self.tokens += report.tokens - self._pieces
                self._pieces = 0
            case Completed(reflection=reflection):
                self.reflection = reflection
            case _:
                pass

    def fail(self, error: Exception) -> None:
        """Take notice of what broke it off."""
        self.code = error.code if isinstance(error, TearError) else INTERNAL_ERROR

    def end(self, outcome: Outcome) -> None:
        """Take notice of how it ended."""
        self.outcome = outcome
        if self.spans is not None:
            self.spans.end(outcome)


@dataclass(slots=True)
class Call:
    """A request, from its first byte to the last of its reply."""

    id: str
    is_named: bool
    """Whether the client chose the id."""
    began_s: float = field(default_factory=time.monotonic)
    key: str | None = None
    """Name of the key that asks."""
    reply_id: str | None = None
    """What the reply calls itself, where it has an id of its own."""
    code: str | None = None
    """Of the error that was replied."""
    admission: Admission | None = None
    """Its place; None where it asks for none."""
    span: RequestSpan | None = None
    """None where it is not traced."""
    runs: list[Run] = field(default_factory=list)

    @property
    def reflections(self) -> Iterator[Reflection]:
        """Those that were answered."""
        return (run.reflection for run in self.runs if run.reflection is not None)

    @property
    def failure(self) -> str | None:
        """The code of what went wrong, in the reply's place or in its midst."""
        return self.code or next((run.code for run in self.runs if run.code), None)


def begin_call(call: Call) -> None:
    """Make it the current one, for this task and all that it starts."""
    _current.set(call)


def current_call() -> Call | None:
    """The request that is being worked on; None outside of any."""
    return _current.get()


def name_reply(prefix: str, *, keep_given: bool = False) -> str:
    """The id of the reply to the current call: the request's after `prefix`, or as it is if the client gave it."""
    call = current_call() or Call(uuid.uuid4().hex, is_named=False)
    call.reply_id = call.id if call.is_named and keep_given else prefix + call.id
    return call.reply_id


def admit(count: int, *, param: str) -> None:
    """Have the current call let in for as many reflections as `param` asks for; raises what `Admission.widen` does."""
    call = current_call()
    if call is not None and call.admission is not None:
        call.admission.widen(count, param=param)


def begin_run(request: ReflectionRequest) -> Run:
    """Note that a reflection begins, with the current call if there is one."""
    run = Run(request.id, request.model, request.only_witness)
    if (call := current_call()) is not None:
        call.runs.append(run)
        run.spans = None if call.span is None else call.span.begin_run(run.id)
    return run
