from __future__ import annotations

import json
from typing import Any

import pytest

from tear_training.expand.shapes import Judgement, ReplyFault, WrittenSituation, read_shape, response_format

JUDGED = '{"who": "a baker", "effect": "she shrugs {twice}", "weight": -1}'


@pytest.mark.parametrize(
    "text",
    [
        JUDGED,
        f"Here it is:\n```json\n{JUDGED}\n```\nAnything else?",
        f'<think>{{"who": "no", "effect": "no", "weight": 3}}</think>{JUDGED}',
        f"With {{braces}} before. {JUDGED} And {{}} after.",
    ],
    ids=["bare", "fenced", "thought about", "among braces"],
)
def test_the_first_object_of_a_reply_is_read(text: str) -> None:
    assert read_shape(text, Judgement) == Judgement(who="a baker", effect="she shrugs {twice}", weight=-1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON object"),
        ("I cannot help with that.", "no JSON object"),
        ('{"who": "a baker", "eff', "no JSON object"),
        ('{"a":' * 5000, "no JSON object"),
        ('{"who": "a baker", "effect": "x"}', "weight: Field required"),
        ('{"who": "a baker", "effect": "x", "weight": 4}', "weight: Input should be"),
        ('{"who": "a baker", "effect": "x", "weight": "heavy"}', "weight: Input should be"),
        ('{"who": "a baker", "effect": "x", "weight": 1, "mood": "sad"}', "mood: Extra inputs"),
    ],
    ids=["empty", "prose", "torn", "deep", "missing", "too heavy", "word", "unknown"],
)
def test_a_reply_that_cannot_be_used_says_why(text: str, reason: str) -> None:
    with pytest.raises(ReplyFault, match=reason):
        read_shape(text, Judgement)


@pytest.mark.parametrize("shape", [WrittenSituation, Judgement])
def test_the_schema_is_one_that_strict_servers_take(shape: type[WrittenSituation] | type[Judgement]) -> None:
    sent = response_format(shape)
    assert sent["json_schema"]["strict"] is True
    schema: dict[str, Any] = sent["json_schema"]["schema"]
    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["required"] == list(part["properties"])
        assert part["additionalProperties"] is False
    assert '"default"' not in json.dumps(schema)


def test_what_a_lenient_server_leaves_out_is_filled_in() -> None:
    answer = {"manner": "soft", "kind": "plain", "response": "r", "who": "w", "impact": "i", "ripples": "p"}
    written = {"messages": [{"role": "user", "content": "Hello"}], "answers": [answer | {"weight": 1}]}
    read = read_shape(json.dumps(written), WrittenSituation)
    assert (read.crisis, read.answers[0].revised) == (False, None)
