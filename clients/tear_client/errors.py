"""What can go wrong between a client and the server.

ClientError
├── ServerUnreachable      nobody answers at that address, or not in time
├── StatusError            the server refused; `status`, `code`, `param` and `request_id` are its own
│   ├── BadRequest         400, and any other below 500
│   │   ├── ContextOverflow, BodyTooLarge, BodyTooSlow
│   │   └── AdapterRefused
│   ├── InvalidKey         401, 403
│   ├── NotFound           404
│   │   ├── UnknownModel, UnknownReflection
│   │   └── NotOffered     this server keeps no journal, or takes no adapters
│   ├── Conflict           409
│   ├── RateLimited        429
│   ├── Unavailable        503
│   │   ├── Overloaded, Stopping
│   │   ├── EngineDead     and `EngineAway`, when it is coming back
│   │   └── JournalFailed
│   └── ServerFailed       500, and any other above
│       ├── EngineFailed
│       └── EngineLate     504
├── StreamCut              a stream that did not end well; `partial` is what had come
│   ├── ReflectionFailed   the server gave the reflection up; `code` is its own
│   └── StreamBroken       the connection broke off
└── UnreadableReply        what answered does not speak this protocol
"""

from __future__ import annotations

from collections.abc import Mapping

from tear_chain.errors import TearError
from tear_client.progress import Progress


class ClientError(TearError):
    """A request that brought no answer."""

    code = "client_error"
    request_id: str | None = None
    """What the server calls the request in its log, where it said so."""


class ServerUnreachable(ClientError):
    """Nobody answers at that address, or not in time."""

    code = "server_unreachable"

    def __init__(self, message: str, *, hint: str, retryable: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.retryable = retryable


class StatusError(ClientError):
    """The server refused; its message says what to do."""

    code = "status_error"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        param: str | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, param=param)
        self.status = status
        self.code = code or type(self).code
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        """How long the server asks to wait, where it says so."""
        self.request_id = request_id


class BadRequest(StatusError):
    """The request cannot be served as it is; `param` names the field at fault."""


class ContextOverflow(BadRequest):
    """The conversation leaves no room for an answer."""


class BodyTooLarge(BadRequest):
    """More bytes than the server reads."""


class BodyTooSlow(BadRequest):
    """The request did not come whole in time."""


class AdapterRefused(BadRequest):
    """The adapter is damaged, changes nothing, or was made for another base."""


class InvalidKey(StatusError):
    """No key, or none that the server knows."""


class NotFound(StatusError):
    """There is nothing of that name."""


class UnknownModel(NotFound):
    """No model of that name is served."""


class UnknownReflection(NotFound):
    """The journal holds no reflection of that id."""


class NotOffered(NotFound):
    """The server was started without what this needs: a journal, or a folder of adapters."""


class Conflict(StatusError):
    """What is asked does not go with what is served now."""


class RateLimited(StatusError):
    """The key has asked too often or for too much."""


class Unavailable(StatusError):
    """The server cannot answer just now."""


class Overloaded(Unavailable):
    """The server works on as much as it takes on."""


class Stopping(Unavailable):
    """The server is being stopped."""


class EngineDead(Unavailable):
    """The engine is gone, or none of those elsewhere answers."""


class EngineAway(EngineDead):
    """The engine died and is being started anew."""


class JournalFailed(Unavailable):
    """The journal could not be read or written."""


class ServerFailed(StatusError):
    """The server failed at it."""


class EngineFailed(ServerFailed):
    """The engine failed while it worked."""


class EngineLate(ServerFailed):
    """Not a word of an answer came before a deadline."""


class StreamCut(ClientError):
    """A stream that ended before the reflection was whole."""

    code = "stream_cut"
    retryable = True

    def __init__(self, message: str, *, partial: Progress, request_id: str | None = None) -> None:
        super().__init__(message)
        self.partial = partial
        """What had come until then."""
        self.request_id = request_id


class ReflectionFailed(StreamCut):
    """The server gave the reflection up while it streamed; `code` names the error there."""

    code = "reflection_failed"

    def __init__(self, message: str, *, code: str, partial: Progress, request_id: str | None = None) -> None:
        super().__init__(message, partial=partial, request_id=request_id)
        self.code = code


class StreamBroken(StreamCut):
    """The connection broke off before the reflection was whole."""

    code = "stream_broken"
    hint = "Ask again; if it goes on, the server's log says why."


class UnreadableReply(ClientError):
    """What answered is not The Tear, or one of another version."""

    code = "unreadable_reply"
    hint = "Is it The Tear that answers there, in a version that fits this client?"


CODES: Mapping[str, type[StatusError]] = {
    "invalid_request": BadRequest,
    "context_length_exceeded": ContextOverflow,
    "request_too_large": BodyTooLarge,
    "request_timeout": BodyTooSlow,
    "method_not_allowed": BadRequest,
    "adapter_error": AdapterRefused,
    "adapter_mismatch": AdapterRefused,
    "invalid_api_key": InvalidKey,
    "not_found": NotFound,
    "model_not_found": UnknownModel,
    "reflection_not_found": UnknownReflection,
    "journal_off": NotOffered,
    "adapters_off": NotOffered,
    "adapter_conflict": Conflict,
    "adapter_busy": Conflict,
    "rate_limit_exceeded": RateLimited,
    "overloaded": Overloaded,
    "stopping": Stopping,
    "engine_dead": EngineDead,
    "engine_unreachable": EngineDead,
    "engine_away": EngineAway,
    "journal_failed": JournalFailed,
    "engine_error": EngineFailed,
    "internal_error": ServerFailed,
    "engine_late": EngineLate,
}
"""Every code that the server knows: its class here."""
_STATUSES: Mapping[int, type[StatusError]] = {
    401: InvalidKey,
    403: InvalidKey,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    503: Unavailable,
}
_FIRST_OF_SERVERS = 500


def refusal_class(status: int, code: str | None) -> type[StatusError]:
    """The class of a refusal by its code; by its status where the code is of a newer server, or of a stranger."""
    by_status = _STATUSES.get(status, ServerFailed if status >= _FIRST_OF_SERVERS else BadRequest)
    return CODES.get(code or "", by_status)
