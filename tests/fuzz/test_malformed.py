"""Ten thousand malformed model outputs through the whole server; a share of them in every run."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.laws import QUESTION, check
from fuzz.outputs import Case, Writer
from fuzz.tape import TapeEngine
from fuzz.told import Bench
from stories import service_over

from tear_chain.conversation import Conversation
from tear_chain.tokenizer import TOKENIZER_FILE, ChainTokenizer
from tear_server.api.app import build_app

SMALL, FULL = 500, 10_000
BATCHES = 20


@pytest.fixture(scope="module")
def bench(tokenizer: ChainTokenizer, nano_base: Path) -> Bench:
    tekken = json.loads((nano_base / TOKENIZER_FILE).read_text(encoding="utf-8"))
    first = tekken["config"]["default_num_special_tokens"]
    pieces = {first + entry["rank"]: base64.b64decode(entry["token_bytes"]) for entry in tekken["vocab"]}
    engine = TapeEngine(origin=len(tokenizer.encode_conversation(Conversation.asking(QUESTION))) + 1)
    return Bench(build_app(service_over(engine, tokenizer)), engine, pieces, tokenizer.chain)


@pytest.fixture(scope="module")
def writer(tokenizer: ChainTokenizer) -> Writer:
    return Writer(tokenizer)


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_no_malformed_output_breaks_a_law(bench: Bench, writer: Writer, is_full: bool, batch: int) -> None:
    for number in range(batch, FULL if is_full else SMALL, BATCHES):
        await _check(bench, writer.case(number))


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_a_chain_may_be_cut_anywhere(bench: Bench, writer: Writer, batch: int) -> None:
    for case in _every(writer.cuts(), batch):
        await _check(bench, case)


def _every(cases: Iterator[Case], batch: int) -> Iterator[Case]:
    return itertools.islice(cases, batch, None, BATCHES)


async def _check(bench: Bench, case: Case) -> None:
    try:
        await check(bench, case)
    except BaseException as error:
        error.add_note(f"{case}")
        raise
