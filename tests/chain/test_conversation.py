from __future__ import annotations

import pytest

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.errors import InvalidRequest

S, U, A = Role.SYSTEM, Role.USER, Role.ASSISTANT


def talk(*roles: Role) -> list[Message]:
    return [Message(role, f"{role} speaks") for role in roles]


@pytest.mark.parametrize(
    "roles",
    [(U,), (S, U), (U, A, U), (S, U, A, U, A, U)],
    ids=["person", "system-person", "turns", "system-turns"],
)
def test_a_person_last_after_alternating_turns_is_a_conversation(roles: tuple[Role, ...]) -> None:
    messages = talk(*roles)
    assert Conversation.of(messages).messages == tuple(messages)


@pytest.mark.parametrize(
    ("roles", "param"),
    [
        ((), "messages"),
        ((S,), "messages"),
        ((A,), "messages[0]"),
        ((U, A), "messages"),
        ((U, U), "messages[1]"),
        ((S, A), "messages[1]"),
        ((S, U, U), "messages[2]"),
        ((U, A, A), "messages[2]"),
        ((S, S, U), "messages[1]"),
        ((U, S), "messages[1]"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_any_other_order_is_refused_naming_the_message(roles: tuple[Role, ...], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Conversation.of(talk(*roles))
    assert refused.value.param == param


@pytest.mark.parametrize("text", ["", " ", "\n\t "], ids=["empty", "space", "lines"])
def test_a_message_without_a_word_is_refused_naming_it(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Conversation.of([Message(U, "Hello"), Message(A, text), Message(U, "Well?")])
    assert refused.value.param == "messages[1]"


def test_asking_is_a_conversation_of_one_sentence() -> None:
    assert Conversation.asking("Why?") == Conversation.of([Message(U, "Why?")])
