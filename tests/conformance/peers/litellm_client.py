"""LiteLLM as a client: `litellm_client.py URL KEY MODEL` prints what it saw, as JSON."""

import asyncio
import json
import sys
from importlib.metadata import version

import litellm

url, key, model = sys.argv[1:]
asked = {
    "model": f"openai/{model}",
    "api_base": url,
    "api_key": key,
    "messages": [{"role": "user", "content": "I can't play the piano."}],
    "temperature": 0,
    "num_retries": 0,
    "extra_body": {"reflection": {"revise_threshold": 0}},
}


async def async_side() -> str:
    stream = await litellm.acompletion(**asked, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


litellm.completion(**asked)
whole = litellm.completion(**asked)
chunks = list(litellm.completion(**asked, stream=True, stream_options={"include_usage": True}))
deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
built = litellm.stream_chunk_builder(chunks)
try:
    litellm.completion(**{**asked, "model": "openai/nobody"})
    refused = ""
except litellm.NotFoundError as error:
    refused = str(error)
try:
    litellm.completion(**{**asked, "messages": [{"role": "user", "content": "word " * 20_000}]})
    overflow = ""
except litellm.BadRequestError as error:
    overflow = f"{type(error).__name__}: {error}"
print(
    json.dumps(
        {
            "version": version("litellm"),
            "content": whole.choices[0].message.content,
            "reasoning": whole.choices[0].message.reasoning_content,
            "finish_reason": whole.choices[0].finish_reason,
            "usage": whole.usage.total_tokens,
            "streamed_content": "".join(delta.content or "" for delta in deltas),
            "streamed_reasoning": "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas),
            "built_content": built.choices[0].message.content,
            "built_usage": built.usage.total_tokens,
            "async_content": asyncio.run(async_side()),
            "refused": refused,
            "overflow": overflow,
        }
    )
)
