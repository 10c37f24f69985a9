"""LangChain's ChatOpenAI: `langchain_client.py URL KEY MODEL` prints what it saw, as JSON."""

import json
import sys
from importlib.metadata import version

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI

url, key, model = sys.argv[1:]
chat = ChatOpenAI(base_url=url, api_key=key, model=model, temperature=0, max_retries=0, stream_usage=True)
turns = [SystemMessage("Be kind."), HumanMessage("Hello."), AIMessage("Hello."), HumanMessage("I can't play.")]
chat.invoke(turns)
whole = chat.invoke(turns)
total = None
for chunk in chat.stream(turns):
    total = chunk if total is None else total + chunk
batch = chat.batch([[HumanMessage("One.")], [HumanMessage("Two.")]])
print(
    json.dumps(
        {
            "version": version("langchain-openai"),
            "content": whole.content,
            "usage": whole.usage_metadata["total_tokens"],
            "streamed_content": total.content,
            "streamed_usage": total.usage_metadata["total_tokens"],
            "finish_reason": total.response_metadata["finish_reason"],
            "batch": [bool(one.content) for one in batch],
        }
    )
)
