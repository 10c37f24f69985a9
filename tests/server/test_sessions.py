from __future__ import annotations

import pytest

from tear_chain.conversation import Conversation, Message, Role
from tear_server.sessions import DIGITS, session_of


def conversation(*texts: str, system: str | None = None) -> Conversation:
    roles = (Role.USER, Role.ASSISTANT)
    head = [] if system is None else [Message(Role.SYSTEM, system)]
    return Conversation.of([*head, *(Message(roles[place % 2], text) for place, text in enumerate(texts))])


@pytest.mark.parametrize("system", [None, "Be kind."])
def test_later_turns_have_the_session_of_the_first(system: str | None) -> None:
    first = session_of(conversation("a", system=system), None)
    assert session_of(conversation("a", "b", "c", system=system), None) == first
    assert session_of(conversation("a", "other", "c", "d", "e", system=system), None) == first


@pytest.mark.parametrize(
    "other",
    [conversation("b"), conversation("a", system="s"), conversation("s", system="a"), conversation("a ")],
    ids=["words", "system", "swapped", "space"],
)
def test_another_beginning_is_another_session(other: Conversation) -> None:
    assert session_of(other, None) != session_of(conversation("a"), None)


def test_a_named_session_goes_by_its_name_alone() -> None:
    assert session_of(conversation("a"), "mine") == session_of(conversation("b"), "mine")
    assert session_of(conversation("a"), "mine") != session_of(conversation("a"), "yours")


def test_a_session_without_a_name_goes_by_how_it_began() -> None:
    assert session_of(conversation("a"), "") == session_of(conversation("a"), None)


@pytest.mark.parametrize("named", [None, "ü\r\nx-admin: 1", "n" * 10_000], ids=["opening", "header", "long"])
def test_a_session_is_fit_for_a_header_and_tells_nothing(named: str | None) -> None:
    session = session_of(conversation("ü\r\n漢字"), named)
    assert len(session) == DIGITS
    assert set(session) <= set("0123456789abcdef")
