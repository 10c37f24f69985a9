"""A conversation: who said what, in an order the chain can answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tear_chain.errors import InvalidRequest


class Role(StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. Of an earlier assistant turn only the answer is shown, never its draft or witness."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """An optional system prompt, then user and assistant in turn, the person last."""

    messages: tuple[Message, ...]

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Conversation:
        """Check the order of the turns; raise `InvalidRequest` naming the message at fault."""
        if not messages:
            raise InvalidRequest("messages is empty. Send at least one user message.", param="messages")
        for index, message in enumerate(messages):
            where = f"messages[{index}]"
            if not message.text.strip():
                raise InvalidRequest(f"{where} has no text. Leave it out or write something.", param=where)
            if message.role is Role.SYSTEM and index > 0:
                raise InvalidRequest(f"{where} is a system message. Only the first message may be one.", param=where)
        turns = messages[1:] if messages[0].role is Role.SYSTEM else messages
        first = len(messages) - len(turns)
        for index, message in enumerate(turns):
            expected = Role.USER if index % 2 == 0 else Role.ASSISTANT
            if message.role is not expected:
                raise InvalidRequest(
                    f"messages[{first + index}] is from {message.role}, expected {expected}. "
                    "Let user and assistant take turns, beginning with user.",
                    param=f"messages[{first + index}]",
                )
        if not turns or turns[-1].role is not Role.USER:
            raise InvalidRequest(
                "The last message is not from user. End messages with what the person said.", param="messages"
            )
        return cls(tuple(messages))

    @classmethod
    def asking(cls, text: str) -> Conversation:
        """The shortest conversation: one person, one sentence."""
        return cls.of([Message(Role.USER, text)])
