"""Programs with different habits all show their users the reply that is there."""

from __future__ import annotations

import pytest
from conformance.readers import READERS, Read
from conformance.recorded import Recording
from conformance.wire import deltas

NAMES = pytest.mark.parametrize("name", ["revised", "kept", "supplied", "hidden", "direct", "cut"])
READER = pytest.mark.parametrize("reader", READERS)


@NAMES
@READER
def test_a_reader_of_chunks_sees_the_whole_reply(recording: Recording, reader: str) -> None:
    read = READERS[reader](deltas(recording.stream.chunks()))
    assert read == Read(recording.message["content"], recording.message.get("reasoning", ""))
