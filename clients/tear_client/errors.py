"""What can go wrong between a client and the server.

ClientError
├── ServerUnreachable   nobody answers at that address, or not in time
├── StatusError         the server refused; `status`, `code` and `param` are its own
├── ReflectionFailed    the server gave a reflection up while it streamed; `code` is its own
├── StreamBroken        the connection broke off in the middle; `kept` is what had come
└── UnreadableReply     what answered does not speak this protocol
"""

from __future__ import annotations

from tear_chain.errors import TearError
from tear_client.progress import Progress


class ClientError(TearError):
    """A request that brought no reflection."""

    code = "client_error"


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
    ) -> None:
        super().__init__(message, param=param)
        self.status = status
        self.code = code or type(self).code
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        """How long the server asks to wait, where it says so."""


class ReflectionFailed(ClientError):
    """The server gave the reflection up while it streamed; `code` names the error there."""

    code = "reflection_failed"
    retryable = True

    def __init__(self, message: str, *, code: str, kept: Progress) -> None:
        super().__init__(message)
        self.code = code
        self.kept = kept


class StreamBroken(ClientError):
    """The connection broke off before the reflection was whole."""

    code = "stream_broken"
    retryable = True
    hint = "Ask again; if it goes on, the server's log says why."

    def __init__(self, message: str, *, kept: Progress) -> None:
        super().__init__(message)
        self.kept = kept
        """What had come until then."""


class UnreadableReply(ClientError):
    """What answered is not The Tear, or one of another version."""

    code = "unreadable_reply"
    hint = "Is it The Tear that answers there, in a version that fits this client?"
