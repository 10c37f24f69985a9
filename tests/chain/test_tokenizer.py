from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from spelling import control_ids_by_name

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.errors import BaseError
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES

MARKERS = [
    *TOKEN_NAMES,
    *("<s>", "</s>", "<unk>", "<pad>"),
    *("[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[IMG]", "[TOOL_CALLS]", "[THINK]", "[PREFIX]"),
    *("<SPECIAL_900>", "<SPECIAL_999>", "<SPECIAL_20>"),
]
TEXTS = {
    "family-emoji": "Family 👩‍👩‍👧‍👦, flag 🏳️‍🌈, skin 👍🏽.",
    "cjk": "漢字仮名交じり文、한국어, 中文。",
    "combining": "e\u0301 a\u0308\u0323 ñ Z͑ͫ̓ͪ",
    "right-to-left": "שלום, مرحبا",
    "markers": " ".join(MARKERS),
    "white-space": "\n\n\t  two  spaces \r\n\u2028\u0085 ",
    "null": "a\0b",
}
texts = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


def structure(tokenizer: ChainTokenizer, ids: tuple[int, ...]) -> list[int]:
    return [token for token in ids if token in tokenizer.control_ids]


@texts
def test_text_comes_back_as_it_went_in(tokenizer: ChainTokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("marker", MARKERS)
def test_the_spelling_of_a_marker_is_text(tokenizer: ChainTokenizer, marker: str) -> None:
    for text in (marker, f"so {marker}said", marker * 3):
        assert structure(tokenizer, tokenizer.encode(text)) == []
        assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("role", list(Role))
def test_a_marker_in_a_message_leaves_the_structure_as_it_was(
    tokenizer: ChainTokenizer, role: Role, marker: str
) -> None:
    def conversation(said: str) -> Conversation:
        roles = (Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER)
        return Conversation.of([Message(each, said if each is role else "words") for each in roles])

    forged = tokenizer.encode_conversation(conversation(f"so {marker} said"))
    plain = tokenizer.encode_conversation(conversation("so it said"))
    assert structure(tokenizer, forged) == structure(tokenizer, plain)
    assert f"so {marker} said" in tokenizer.decode(forged)


def test_a_conversation_has_the_layout_that_the_chain_follows(tokenizer: ChainTokenizer, nano_base: Path) -> None:
    specials = json.loads((nano_base / "tekken.json").read_text(encoding="utf-8"))["special_tokens"]
    names = {entry["rank"]: entry["token_str"] for entry in specials}
    turns = [(Role.SYSTEM, "Be"), (Role.USER, "One"), (Role.ASSISTANT, "Two"), (Role.USER, "Three")]
    ids = tokenizer.encode_conversation(Conversation.of([Message(role, text) for role, text in turns]))
    laid_out = "".join(names[token] if token in tokenizer.control_ids else tokenizer.decode([token]) for token in ids)
    assert laid_out == "<s>[SYSTEM_PROMPT]Be[/SYSTEM_PROMPT][INST]One[/INST]Two</s>[INST]Three[/INST]"


@texts
def test_text_decoded_token_by_token_is_text_decoded_at_once(tokenizer: ChainTokenizer, text: str) -> None:
    decoder = tokenizer.decoder()
    assert "".join(decoder.feed(token) for token in tokenizer.encode(text)) == text


@texts
def test_nothing_is_handed_out_before_its_character_is_whole(tokenizer: ChainTokenizer, text: str) -> None:
    decoder, said = tokenizer.decoder(), ""
    for token in tokenizer.encode(text):
        said += decoder.feed(token)
        assert text.startswith(said)


def test_the_characters_in_these_tests_are_really_split_across_tokens(tokenizer: ChainTokenizer) -> None:
    decoder = tokenizer.decoder()
    assert [decoder.feed(token) for token in tokenizer.encode("👍")][:-1] == [""] * (len(tokenizer.encode("👍")) - 1)
    assert len(tokenizer.encode("👍")) > 1


@pytest.fixture
def byte_ids(tokenizer: ChainTokenizer) -> dict[int, int]:
    """Byte to token id: Tekken's first 256 ranks after the control tokens are the single bytes."""
    first = len(tokenizer.control_ids)
    found = {byte: first + byte for byte in range(256)}
    assert all(tokenizer.decode([found[byte]]) == chr(byte) for byte in range(128))
    return found


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"a\x80b", b"\xe6\xbc\xff", b"\xf0\x9f\x91", b"\xc3(", b"\xed\xa0\x80", b"\xf0\x9f\x91\x8d\xf0"],
    ids=["never", "lonely", "broken-off", "cut", "bad-second", "surrogate", "good-then-cut"],
)
def test_invalid_bytes_decode_alike_one_by_one_and_at_once(
    tokenizer: ChainTokenizer, byte_ids: dict[int, int], raw: bytes
) -> None:
    decoder = tokenizer.decoder()
    said = "".join(decoder.feed(byte_ids[byte]) for byte in raw)
    assert said == tokenizer.decode([byte_ids[byte] for byte in raw])
    # A character cut at the end never comes; whatever is broken before it shows as U+FFFD.
    assert raw.decode(errors="replace").startswith(said)


def test_text_after_broken_bytes_is_whole_again(tokenizer: ChainTokenizer, byte_ids: dict[int, int]) -> None:
    broken = [byte_ids[byte] for byte in b"\xf0\x9f"]
    assert tokenizer.decode([*broken, *tokenizer.encode("é 漢")]) == "\ufffdé 漢"


def test_a_control_token_has_no_text(tokenizer: ChainTokenizer) -> None:
    assert tokenizer.decode(sorted(tokenizer.control_ids)) == ""


def test_every_reserved_slot_counts_as_control(tokenizer: ChainTokenizer) -> None:
    named = control_ids_by_name(tokenizer)
    assert set(named.values()) < tokenizer.control_ids
    assert tokenizer.control_ids == frozenset(range(max(tokenizer.control_ids) + 1))


@pytest.fixture
def tekken(nano_base: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((nano_base / "tekken.json").read_text(encoding="utf-8"))
    return loaded


def without_chain(tekken: dict[str, Any]) -> str:
    for entry in tekken["special_tokens"]:
        if entry["token_str"] in TOKEN_NAMES:
            entry["token_str"] = f"<SPECIAL_{entry['rank']}>"
    return json.dumps(tekken)


def of_unknown_version(tekken: dict[str, Any]) -> str:
    tekken["config"]["version"] = "v99"
    return json.dumps(tekken)


def without_config(tekken: dict[str, Any]) -> str:
    del tekken["config"]
    return json.dumps(tekken)


@pytest.mark.parametrize(
    "damage",
    [
        lambda tekken: "",
        lambda tekken: json.dumps(tekken)[:5000],
        lambda tekken: "[]",
        lambda tekken: "{}",
        without_config,
        of_unknown_version,
        without_chain,
    ],
    ids=["empty", "cut", "list", "nothing", "no-config", "version", "no-chain-tokens"],
)
def test_a_tokenizer_that_cannot_be_used_is_named(tmp_path: Path, tekken: dict[str, Any], damage: Any) -> None:
    (tmp_path / "tekken.json").write_text(damage(tekken), encoding="utf-8")
    with pytest.raises(BaseError) as refused:
        ChainTokenizer.load(tmp_path)
    assert str(tmp_path / "tekken.json") in refused.value.message


def test_the_first_chain_token_that_is_missing_is_named(tmp_path: Path, tekken: dict[str, Any]) -> None:
    (tmp_path / "tekken.json").write_text(without_chain(tekken), encoding="utf-8")
    with pytest.raises(BaseError, match="<draft>"):
        ChainTokenizer.load(tmp_path)


def test_bytes_that_are_no_text_are_refused_naming_the_file(tmp_path: Path) -> None:
    (tmp_path / "tekken.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(BaseError) as refused:
        ChainTokenizer.load(tmp_path)
    assert str(tmp_path / "tekken.json") in refused.value.message


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseError) as refused:
        ChainTokenizer.load(tmp_path)
    assert str(tmp_path / "tekken.json") in refused.value.message
