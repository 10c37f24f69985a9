from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tear_chain.errors import DataError
from tear_training.expand.cache import Reply, ReplyCache, Request, Sampling
from tear_training.rows import Message

ASKED = Request("writer", (Message(role="user", content="Hello"),), Sampling(seed=1, temperature=1.0))
REPLY = Reply(model="writer", text="Naïve 🎹", finish_reason="stop")


def test_a_reply_is_found_again(tmp_path: Path) -> None:
    ReplyCache(tmp_path / "cache").keep(ASKED, REPLY)
    assert ReplyCache(tmp_path / "cache").find(ASKED) == REPLY
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{ASKED.key}.json"]


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, model="another"),
        replace(ASKED, messages=(Message(role="user", content="Hello!"),)),
        replace(ASKED, messages=(Message(role="system", content="Hello"),)),
        replace(ASKED, sampling=Sampling(seed=2, temperature=1.0)),
        replace(ASKED, sampling=Sampling(seed=1, temperature=0.5)),
        replace(ASKED, sampling=Sampling(seed=1, temperature=1.0, top_p=0.9)),
        replace(ASKED, sampling=Sampling(seed=1, temperature=1.0, max_tokens=10)),
    ],
    ids=["model", "words", "role", "seed", "temperature", "top_p", "max_tokens"],
)
def test_a_request_that_differs_in_anything_has_a_reply_of_its_own(tmp_path: Path, other: Request) -> None:
    cache = ReplyCache(tmp_path)
    cache.keep(ASKED, REPLY)
    assert cache.find(other) is None


@pytest.mark.parametrize("content", [b"", b'{"model": "wri', b"\xff"], ids=["empty", "torn", "no text"])
def test_a_damaged_reply_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"{ASKED.key}.json").write_bytes(content)
    with pytest.raises(DataError, match=ASKED.key):
        ReplyCache(tmp_path).find(ASKED)


def test_a_torn_write_is_not_taken_for_a_reply(tmp_path: Path) -> None:
    (tmp_path / f"{ASKED.key}.json.partial").write_bytes(b'{"model": "wri')
    cache = ReplyCache(tmp_path)
    assert cache.find(ASKED) is None
    cache.keep(ASKED, REPLY)
    assert cache.find(ASKED) == REPLY
