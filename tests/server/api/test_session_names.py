from __future__ import annotations

from typing import Any

import pytest
from scripted import ScriptedEngine
from stories import REVISED, asking, play, post, service_over

from tear_chain.tokenizer import ChainTokenizer

BODIES = {
    "/v1/chat/completions": asking(),
    "/v1/responses": {"input": "Am I any good?"},
    "/v1/reflections": asking(),
    "/v1/witness": {"items": [{**asking(), "answer": "Yes."}, {**asking("Am I bad?"), "answer": "No."}]},
}
PATHS = pytest.mark.parametrize("path", BODIES)


async def sessions(tokenizer: ChainTokenizer, path: str, *, header: str = "", **fields: Any) -> set[str | None]:
    engine: ScriptedEngine = play(tokenizer, REVISED)
    headers = {"x-session-id": header} if header else {}
    reply = await post(service_over(engine, tokenizer), path, BODIES[path] | fields, headers=headers)
    assert reply.status_code == 200, reply.text
    return {generation.session for generation in engine.asked}


@PATHS
async def test_all_stages_share_the_session_that_the_caller_names(tokenizer: ChainTokenizer, path: str) -> None:
    [named] = await sessions(tokenizer, path, session_id="mine")
    [by_header] = await sessions(tokenizer, path, header="mine")
    [other] = await sessions(tokenizer, path, session_id="yours", header="mine")
    assert named == by_header
    assert other != named


async def test_without_a_name_each_conversation_is_a_session(tokenizer: ChainTokenizer) -> None:
    chat = await sessions(tokenizer, "/v1/chat/completions")
    assert len(chat) == 1
    assert chat == await sessions(tokenizer, "/v1/responses") == await sessions(tokenizer, "/v1/reflections")
    assert chat < await sessions(tokenizer, "/v1/witness")


async def test_several_answers_to_one_question_are_one_session(tokenizer: ChainTokenizer) -> None:
    assert len(await sessions(tokenizer, "/v1/chat/completions", n=3)) == 1
