"""Text to token ids and back, on mistral-common's Tekken; the one module of the chain with a dependency."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mistral_common.exceptions import MistralCommonException
from mistral_common.protocol.instruct.messages import AssistantMessage, ChatMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.errors import BaseError, InvalidRequest
from tear_chain.tokens import ChainTokens

TOKENIZER_FILE = "tekken.json"
SHORTEN = "Shorten its runs of blanks."
"""Tekken finds words by a regular expression, whose stack ends after about a million blanks in a row."""


class TextDecoder:
    """Token ids to text as they come; a character split across tokens is held back until it is whole."""

    def __init__(self, tekken: Tekkenizer) -> None:
        self._tekken = tekken
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, token: int) -> str:
        """The text that `token` completes, perhaps none. A control token has no text."""
        return self._utf8.decode(self._tekken.id_to_byte_piece(token))

    @property
    def held(self) -> bytes:
        """The beginning of a character that is not whole yet."""
        return self._utf8.getstate()[0]


class ChainTokenizer:
    """A base's tokenizer with the chain's control tokens looked up in it."""

    def __init__(self, mistral: MistralTokenizer[Any, Any, Any, Any, Any], tekken: Tekkenizer) -> None:
        self._mistral = mistral
        self._tekken = tekken
        self.chain = ChainTokens.look_up(tekken.get_special_token)
        self.control_ids = frozenset(range(tekken.num_special_tokens))
        """Every id that is structure and never text, the conversation's and the unclaimed ones included."""

    @classmethod
    def load(cls, base: Path) -> ChainTokenizer:
        """Load `tekken.json` from a prepared base; raise `BaseError` naming the file."""
        path = base / TOKENIZER_FILE
        if not path.is_file():
            raise BaseError(f"{path} does not exist.")
        try:
            mistral = MistralTokenizer.from_file(path)
            tekken = mistral.instruct_tokenizer.tokenizer
            if not isinstance(tekken, Tekkenizer):
                raise BaseError(f"{path} is not a Tekken tokenizer.")
            return cls(mistral, tekken)
        except (ValueError, KeyError, AssertionError, TypeError) as exc:
            # mistral-common says a missing chain token, bad JSON and a wrong version in these ways.
            raise BaseError(f"{path} cannot be used: {exc or type(exc).__name__}.") from exc

    def encode(self, text: str) -> tuple[int, ...]:
        """Plain text to ids; the spelling of a control token stays text."""
        try:
            return tuple(self._tekken.encode(text, bos=False, eos=False))
        except ValueError as exc:
            raise InvalidRequest(f"The text cannot be encoded: {exc}. {SHORTEN}") from exc

    def encode_conversation(self, conversation: Conversation) -> tuple[int, ...]:
        """`<s>[SYSTEM_PROMPT] … [/SYSTEM_PROMPT][INST] … [/INST]`, as mistral-common writes it."""
        messages = [_to_mistral(message) for message in conversation.messages]
        try:
            request: ChatCompletionRequest[ChatMessage] = ChatCompletionRequest(messages=messages)
            return tuple(self._mistral.encode_chat_completion(request).tokens)
        except MistralCommonException as exc:
            raise InvalidRequest(f"messages cannot be encoded: {exc}", param="messages") from exc
        except ValueError as exc:
            raise InvalidRequest(f"messages cannot be encoded: {exc}. {SHORTEN}", param="messages") from exc

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of `tokens`; control tokens are left out, a character cut at the end too."""
        decoder = self.decoder()
        return "".join(decoder.feed(token) for token in tokens)

    def decoder(self) -> TextDecoder:
        """A fresh incremental decoder."""
        return TextDecoder(self._tekken)

    def piece(self, token: int) -> bytes:
        """What a token adds to a text; nothing for a control token."""
        return self._tekken.id_to_byte_piece(token)

    def name(self, token: int) -> str:
        """A token by itself: its text, or a control token's name."""
        return self._tekken.id_to_piece(token)


def _to_mistral(message: Message) -> ChatMessage:
    match message.role:
        case Role.SYSTEM:
            return SystemMessage(content=message.text)
        case Role.USER:
            return UserMessage(content=message.text)
        case Role.ASSISTANT:
            return AssistantMessage(content=message.text)
