"""The errors that a reply can tell of."""

from __future__ import annotations

from collections.abc import Iterator

from tear_chain.errors import (
    ArtifactError,
    BaseError,
    DataError,
    HubError,
    TearError,
    TrainingError,
    TrainingInterrupted,
)
from tear_server.journal.errors import JournalError

ELSEWHERE = (ArtifactError, BaseError, DataError, HubError, JournalError, TrainingError, TrainingInterrupted)
"""For commands and the start of a server alone."""


def told(kind: type[TearError]) -> Iterator[type[TearError]]:
    """The family below `kind`, as far as a reply can tell of it."""
    for child in kind.__subclasses__():
        if child.__module__.startswith(("tear_chain", "tear_server")):
            if child not in ELSEWHERE:
                yield child
            yield from told(child)
