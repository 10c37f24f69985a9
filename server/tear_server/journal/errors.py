"""What can be wrong with a journal: the family's leaves that only this house knows."""

from __future__ import annotations

from tear_chain.errors import ArtifactError, RequestError, TearError


class JournalError(ArtifactError):
    """The database cannot be opened, or holds no journal that this version can use."""

    code = "journal_error"


class JournalFailed(TearError):
    """The journal could not be read or written just now."""

    code = "journal_failed"
    retryable = True
    hint = "Try again; the server's log says why it failed."


class JournalOff(RequestError):
    """This server keeps no journal."""

    code = "journal_off"
    hint = "Ask its operator to start it with --journal."


class ReflectionNotFound(RequestError):
    """The journal holds no reflection of that id."""

    code = "reflection_not_found"
    hint = "It was never kept (witness and direct answers are not), or it was purged."
