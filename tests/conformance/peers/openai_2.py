"""The SDK's earlier major version: `openai_2.py URL KEY MODEL` prints what it saw, as JSON."""

import asyncio
import json
import sys
from importlib.metadata import version

import openai

url, key, model = sys.argv[1:]
asked = {"model": model, "messages": [{"role": "user", "content": "I can't play the piano."}], "temperature": 0}
revised = {"reflection": {"revise_threshold": 0}}


def sync_side() -> dict[str, object]:
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
    client.chat.completions.create(**asked, extra_body=revised)
    whole = client.chat.completions.create(**asked, extra_body=revised)
    chunks = list(
        client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}, extra_body=revised)
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    with client.chat.completions.stream(**asked, extra_body=revised) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    response = client.responses.create(model=model, input="Hello.", temperature=0)
    events = list(client.responses.create(model=model, input="Hello.", temperature=0, stream=True))
    raw = client.chat.completions.with_raw_response.create(**asked, max_tokens=2)
    try:
        client.chat.completions.create(**{**asked, "model": "gpt-5"})
        refused = {}
    except openai.NotFoundError as error:
        refused = {"param": error.param, "code": error.code}
    return {
        "version": version("openai"),
        "models": [one.id for one in client.models.list()],
        "content": whole.choices[0].message.content,
        "reasoning": whole.choices[0].message.model_extra["reasoning"],
        "answer": whole.choices[0].message.model_extra["reflection"]["answer"],
        "usage": whole.usage.total_tokens,
        "streamed_content": "".join(delta.content or "" for delta in deltas),
        "streamed_reasoning": "".join((delta.model_extra or {}).get("reasoning", "") for delta in deltas),
        "streamed_usage": chunks[-1].usage.total_tokens,
        "accumulated_content": final.choices[0].message.content,
        "accumulated_answer": final.choices[0].message.model_extra["reflection"]["answer"],
        "response": response.output_text,
        "response_items": [item.type for item in response.output],
        "response_streamed": "".join(one.delta for one in events if one.type == "response.output_text.delta"),
        "response_end": events[-1].type,
        "request_id": raw.headers["x-request-id"],
        "refused": refused,
    }


async def async_side() -> dict[str, object]:
    async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0) as client:
        stream = await client.chat.completions.create(**asked, stream=True, extra_body=revised)
        said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    return {"async_content": said}


print(json.dumps({**sync_side(), **asyncio.run(async_side())}))
