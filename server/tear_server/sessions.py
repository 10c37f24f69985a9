"""Which reflections belong together, so that what routes between engines can keep them on one."""

from __future__ import annotations

import hashlib
import json

from tear_chain.conversation import Conversation, Role

DIGITS = 32


def session_of(conversation: Conversation, named: str | None) -> str:
    """The same for all turns of a conversation: `DIGITS` hexadecimal digits of what the caller `named` it, or of how
    it began.

    A digest in either case: it travels in a header, which takes no arbitrary text, and past logs of others.
    """
    first = next(place for place, message in enumerate(conversation.messages) if message.role is Role.USER)
    opening = [(message.role, message.text) for message in conversation.messages[: first + 1]]
    return hashlib.sha256(json.dumps(named or opening).encode()).hexdigest()[:DIGITS]
