import json
from itertools import islice
from pathlib import Path

import pytest
import torch
from mistral_common.protocol.instruct.messages import AssistantMessage, SystemMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from transformers import AutoModelForCausalLM, Ministral3ForCausalLM

from tear_chain.prepared import load_prepared
from tear_training import nano

VOCABULARY = 8192


@pytest.fixture(scope="module")
def tekken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tekken") / "tekken.json"
    nano.write_tekken(path)
    return path


def test_the_cut_tokenizer_has_the_size_of_the_model(tekken: Path) -> None:
    assert nano.load_tekken(tekken).n_words == nano.nano_config().vocab_size == VOCABULARY


@pytest.mark.parametrize("text", ["She closed the lid.", "naïve 🎹 練習 مرحبا", "<s>[INST] x [/INST]</s>\n\ttab"])
def test_the_cut_tokenizer_loses_no_text(tekken: Path, text: str) -> None:
    tokenizer = nano.load_tekken(tekken)
    ids = tokenizer.encode(text, bos=False, eos=False)
    assert min(ids) >= nano.SPECIAL_SLOTS
    assert tokenizer.decode(ids) == text


def test_the_cut_tokenizer_encodes_a_chat(tekken: Path) -> None:
    request = ChatCompletionRequest[SystemMessage | UserMessage | AssistantMessage](
        messages=[SystemMessage(content="Be kind."), UserMessage(content="I fell."), AssistantMessage(content="Oh."),
                  UserMessage(content="Thanks.")]
    )  # fmt: skip
    ids = MistralTokenizer.from_file(str(tekken)).encode_chat_completion(request).tokens
    tokenizer = nano.load_tekken(tekken)
    markers = [tokenizer.id_to_piece(token) for token in ids if token < nano.SPECIAL_SLOTS]
    assert markers == ["<s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]", "</s>", "[INST]", "[/INST]"]


def test_the_special_slots_are_those_of_ministral(tekken: Path) -> None:
    tokenizer = nano.load_tekken(tekken)
    named = {"<s>": 1, "</s>": 2, "[INST]": 3, "<pad>": 11, "[SYSTEM_PROMPT]": 17, "[THINK]": 34, "<SPECIAL_999>": 999}
    assert {name: tokenizer.get_special_token(name) for name in named} == named


def test_every_row_of_a_batch_is_one_document_between_its_marks(tekken: Path) -> None:
    for batch in islice(nano.batches(nano.load_tekken(tekken), seed=1, split="train"), 5):
        assert batch.shape[0] == nano.DOCUMENTS_PER_STEP
        assert (batch.shape[1] - 1) % nano.LENGTH_STEP == 0
        for row in batch.tolist():
            assert [token for token in row if token < nano.SPECIAL_SLOTS and token != nano.PAD] == [1, 2]
            assert row[0] == 1
            assert set(row[row.index(2) + 1 :]) <= {nano.PAD}


def test_the_sampled_head_estimates_the_full_loss(tekken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nano, "SILENT_ROWS", 4096)
    torch.manual_seed(0)
    tokenizer = nano.load_tekken(tekken)
    rows, hidden = torch.randn(VOCABULARY, 192) * 0.1, torch.randn(64, 192)
    head = nano._SampledHead.of(tokenizer, seed=1)
    targets = head.spoken[torch.randint(len(head.spoken), (64,))]
    targets[0] = nano.PAD
    logits = hidden @ rows.T
    # Special tokens that no document uses are left out of the sample: pretraining must not touch their rows.
    logits[:, : nano.SPECIAL_SLOTS][:, ~torch.isin(torch.arange(nano.SPECIAL_SLOTS), head.spoken)] = -torch.inf
    full = torch.nn.functional.cross_entropy(logits, targets, ignore_index=nano.PAD)
    assert head.loss(hidden, targets, rows=rows).item() == pytest.approx(full.item(), rel=0.02)


def test_a_built_nano_loads_and_its_record_says_what_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nano, "DOCUMENTS_PER_STEP", 2)
    monkeypatch.setattr(nano, "HELD_OUT_BATCHES", 1)
    heard: list[int] = []
    report = nano.pretrain_nano(tmp_path, seed=1, steps=2, on_step=lambda step, loss: heard.append(step))
    assert heard == [1, 2]
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert isinstance(model, Ministral3ForCausalLM)
    assert model.dtype == torch.bfloat16
    record = json.loads((tmp_path / "nano.json").read_text())
    assert record["held_out_loss"] == report.held_out_loss
    assert record["tokens"] == report.tokens > 0
    assert str(tmp_path) not in (tmp_path / "nano.json").read_text()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 12_000_000


def test_the_whole_of_nano_is_a_prepared_base_with_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nano, "DOCUMENTS_PER_STEP", 2)
    monkeypatch.setattr(nano, "HELD_OUT_BATCHES", 1)
    report = nano.build_nano(tmp_path / "base", seed=1, steps=1)
    card = load_prepared(tmp_path / "base", whole=True)
    assert (card.name, card.license) == ("tear-nano", "Apache-2.0")
    assert json.loads((tmp_path / "base" / "nano.json").read_text())["seed"] == report.seed
    assert sum(file.stat().st_size for file in (tmp_path / "base").iterdir()) <= 12_000_000
