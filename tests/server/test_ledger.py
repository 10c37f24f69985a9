from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tear_chain.events import ScoredToken
from tear_chain.tokenizer import ChainTokenizer
from tear_server.ledger import Ledger
from tear_server.stops import StopMatcher

TEXTS = ["Thirty days make a start! 👩‍👩‍👧‍👦 漢字 é", "👩‍👩‍👧‍👦", "a", "é\n\n\tx", "\ufffd and \ufffd"]


def write(
    tokenizer: ChainTokenizer, tokens: Sequence[int], *, stops: Sequence[str] = (), size: int = 1, top: int = 0
) -> tuple[str, list[tuple[str, tuple[ScoredToken, ...]]]]:
    """The text that goes out, and its parts, each with the tokens handed out with it."""
    ledger, decoder, matcher = Ledger(tokenizer, top=top), tokenizer.decoder(), StopMatcher(stops)
    parts = []
    for start in range(0, len(tokens), size):
        fresh = ""
        for token in tokens[start : start + size]:
            text = decoder.feed(token)
            fresh += text
            ledger.write(token, {token: -1.0, 2: -0.5, 5: -3.0}, text=text, held=decoder.held)
        is_last = start + size >= len(tokens)
        fresh = matcher.feed(fresh)
        if is_last or matcher.stopped:
            fresh += matcher.flush()
        parts.append((fresh, ledger.hand_out(fresh, is_last=is_last or matcher.stopped)))
        if matcher.stopped:
            break
    return "".join(text for text, _ in parts), parts


def joined(parts: list[tuple[str, tuple[ScoredToken, ...]]]) -> bytes:
    return b"".join(token.piece for _, tokens in parts for token in tokens)


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("text", TEXTS)
def test_the_pieces_of_a_text_are_the_text_and_each_is_a_token(tokenizer: ChainTokenizer, text: str, size: int) -> None:
    tokens = tokenizer.encode(text)
    out, parts = write(tokenizer, tokens, size=size)
    assert out == text
    assert [each.piece for _, handed in parts for each in handed] == [tokenizer.piece(token) for token in tokens]


def test_a_character_of_several_tokens_is_handed_out_when_it_is_whole(tokenizer: ChainTokenizer) -> None:
    tokens = tokenizer.encode("漢")
    assert len(tokens) > 1
    _, parts = write(tokenizer, tokens)
    assert [len(handed) for _, handed in parts] == [0] * (len(tokens) - 1) + [len(tokens)]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("size", [1, 3])
def test_the_pieces_of_whatever_a_model_draws_are_the_text_that_goes_out(
    tokenizer: ChainTokenizer, seed: int, size: int
) -> None:
    """Broken characters included: nothing keeps a model from drawing bytes that are no UTF-8."""
    draw = random.Random(seed)
    first = max(tokenizer.control_ids) + 1
    single_bytes = range(first, first + 256)
    tokens = [draw.choice(single_bytes) if draw.random() < 0.7 else draw.randrange(first, 8192) for _ in range(60)]
    out, parts = write(tokenizer, tokens, size=size)
    assert joined(parts) == out.encode()


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("stop", [" make", "ys ma", "tart!", "irt", "漢", "!", "nowhere", "T"])
def test_what_a_stop_string_takes_out_has_no_piece(tokenizer: ChainTokenizer, stop: str, size: int) -> None:
    out, parts = write(tokenizer, tokenizer.encode(TEXTS[0]), stops=(stop,), size=size)
    assert out == TEXTS[0].partition(stop)[0]
    assert joined(parts) == out.encode()


def test_a_character_cut_at_the_end_has_no_piece(tokenizer: ChainTokenizer) -> None:
    tokens = tokenizer.encode("so 漢")[:-1]
    out, parts = write(tokenizer, tokens)
    assert (out, joined(parts)) == ("so ", b"so ")


@pytest.mark.parametrize("top", [0, 1, 2, 20])
def test_the_likeliest_come_in_their_order_and_no_more_than_asked(tokenizer: ChainTokenizer, top: int) -> None:
    (token,) = tokenizer.encode("a")
    _, [(_, [scored])] = write(tokenizer, [token], top=top)
    assert scored.logprob == -1.0
    assert [each.logprob for each in scored.likeliest] == [-0.5, -1.0, -3.0][:top]


def test_a_control_token_among_the_likeliest_has_its_name_and_no_bytes(tokenizer: ChainTokenizer) -> None:
    _, [(_, [scored])] = write(tokenizer, tokenizer.encode("a"), top=1)
    [likely] = scored.likeliest
    assert (likely.text, likely.piece) == ("</s>", b"")
