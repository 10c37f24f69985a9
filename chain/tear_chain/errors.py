"""The error family.

TearError
├── RequestError            the caller's input; nothing was generated
│   ├── InvalidRequest      a field is missing, malformed or unsupported
│   ├── ContextOverflow     the conversation does not fit the context window
│   ├── UnknownModel        no such model here
│   ├── InvalidKey          no API key, or none that is known
│   ├── RateLimited         this key has asked too often
│   ├── BodyTooLarge        more bytes than the server reads
│   └── BodyTooSlow         fewer bytes than were announced, for too long
├── Overloaded              the server has as much to do as it takes on
├── Stopping                the server is being stopped and takes on nothing more
├── ArtifactError           a file or folder on disk that cannot be used
│   ├── BaseError           not a prepared base, or a damaged one
│   ├── AdapterError        not an adapter, or a damaged one
│   │   └── AdapterMismatch made for another base, format or token set
│   │       └── UnservedOrder  trained in an order that the server does not run
│   └── DataError           rows or a configuration that cannot be used
├── HubError                a model hub cannot be reached, or refuses
├── TrainingError           a training run that had to stop
│   └── TrainingInterrupted because it was asked to
├── EngineError             the engine failed while it worked
│   ├── EngineDead          the engine is gone; nothing can be generated
│   │   ├── EngineAway      but it is being started anew
│   │   └── EngineUnreachable  no engine answers at the address given for it
│   └── EngineLate          no answer came before the deadline
└── Surprise                a failure that nobody gave a name
"""

from __future__ import annotations


class TearError(Exception):
    """Something The Tear names: what it is (`message`), and what to do (`hint`)."""

    code = "tear_error"
    retryable = False
    hint = ""
    retry_after_s: float | None = None
    """When to come again, where that is known."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        """The request field, flag or file at fault, where there is one."""

    def sentence(self) -> str:
        """The message with its hint: what a person reads."""
        return f"{self.message} {self.hint}".strip()


class RequestError(TearError):
    """The caller's input cannot be served as it is."""

    code = "invalid_request"


class InvalidRequest(RequestError):
    """A field is missing, malformed or not supported; `param` names it."""


class ContextOverflow(RequestError):
    """Conversation, reserved answer and reflection together exceed the context window."""

    code = "context_length_exceeded"
    hint = "Shorten the messages or begin a new conversation."


class UnknownModel(RequestError):
    """No model of that name is served here."""

    code = "model_not_found"
    hint = "GET /v1/models lists the names served here."

    def __init__(self, model: str) -> None:
        super().__init__(f"The model `{model}` does not exist.", param="model")


class InvalidKey(RequestError):
    """The call needs an API key and has none that is known."""

    code = "invalid_api_key"
    hint = "Send the header `authorization: Bearer KEY`."


class RateLimited(RequestError):
    """The key has asked more often than it may."""

    code = "rate_limit_exceeded"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BodyTooLarge(RequestError):
    """The request has more bytes than the server reads."""

    code = "request_too_large"


class BodyTooSlow(RequestError):
    """The request's bytes did not come in time."""

    code = "request_timeout"
    retryable = True


class Overloaded(TearError):
    """The server works on as many requests as it takes on; nothing was begun."""

    code = "overloaded"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Stopping(TearError):
    """The server finishes what it has begun and takes on nothing more; nothing was begun."""

    code = "stopping"
    retryable = True
    retry_after_s = 1.0


class ArtifactError(TearError):
    """A file or folder on disk cannot be used; the message names it."""

    code = "artifact_error"


class BaseError(ArtifactError):
    """The folder is not a prepared base, or a damaged one."""

    code = "base_error"
    hint = "Make a prepared base with `tear base prepare SRC OUT`."


class AdapterError(ArtifactError):
    """The folder is not an adapter of The Tear, or a damaged one."""

    code = "adapter_error"
    hint = "Train an adapter with `tear train CONFIG --out DIR`."


class AdapterMismatch(AdapterError):
    """The adapter was made for another base, chain format or set of control tokens."""

    code = "adapter_mismatch"
    hint = "Serve it on the base it was trained on, or retrain it."


class UnservedOrder(AdapterMismatch):
    """The adapter learned the parts of a chain in an order that the server does not run."""

    hint = "Train it again with `order: draft_witness_revise`."


class DataError(ArtifactError):
    """Training rows or a training configuration cannot be used; the message says where and why."""

    code = "data_error"


class HubError(TearError):
    """A model hub cannot be reached, does not know what was asked for, or refuses it."""

    code = "hub_error"
    retryable = True
    hint = "See to the network (HF_ENDPOINT names the hub), to the name, and to `hf auth login`."


class TrainingError(TearError):
    """A training run had to stop; the message says at which step and on which rows."""

    code = "training_error"


class TrainingInterrupted(TrainingError):
    """A training run stopped because it was asked to; its state is on disk."""

    code = "training_interrupted"
    hint = "The same command with --resume goes on from there."


class EngineError(TearError):
    """The engine failed while it worked on a stage."""

    code = "engine_error"
    retryable = True


class EngineDead(EngineError):
    """The engine is gone; it must be restarted before anything can be generated."""

    code = "engine_dead"
    hint = "Ask again. If it stays so, restart the server: its log says why the engine stopped."


class EngineAway(EngineDead):
    """The engine is gone and is being started anew; nothing was begun."""

    code = "engine_away"
    hint = "Ask again later."

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineUnreachable(EngineDead):
    """No engine answers at the address given for it, or none ends what it began."""

    code = "engine_unreachable"
    hint = "See to what --engine names; this server need not be restarted."


class EngineLate(EngineError):
    """A stage's deadline passed and there is no word of an answer."""

    code = "engine_late"
    hint = "Try again when the server has less to do."


class Surprise(TearError):
    """A failure without a name, as callers are told of it."""

    code = "internal_error"
    hint = "Its log has the details."

    def __init__(self) -> None:
        super().__init__("The server failed in a way that it does not know.")
