"""LangChain's ChatOpenAI; what it leaves out of the reply, `ChatTear` keeps in the message's metadata."""

from langchain_openai import ChatOpenAI


class ChatTear(ChatOpenAI):
    """ChatOpenAI whose messages have `reasoning` and `reflection`."""

    def _create_chat_result(self, response, generation_info=None):
        result = super()._create_chat_result(response, generation_info)
        reply = response if isinstance(response, dict) else response.model_dump()
        for generation, choice in zip(result.generations, reply["choices"], strict=True):
            self._keep(choice["message"], generation.message.additional_kwargs)
        return result

    def _convert_chunk_to_generation_chunk(self, chunk, *rest):
        found = super()._convert_chunk_to_generation_chunk(chunk, *rest)
        if found and chunk.get("choices"):
            self._keep(chunk["choices"][0]["delta"], found.message.additional_kwargs)
        return found

    def _keep(self, said, kept):
        kept |= {name: said[name] for name in ("reasoning", "reflection") if said.get(name)}


chat = ChatTear(base_url="http://127.0.0.1:8000/v1", api_key="none", model="tear-nano", temperature=0)

whole = None
for chunk in chat.stream("Nobody at the chess club talks to me."):
    print(chunk.additional_kwargs.get("reasoning", "") or chunk.content, end="", flush=True)
    whole = chunk if whole is None else whole + chunk
print()
print("Weight:", whole.additional_kwargs["reflection"]["witness"]["weight"])

message = chat.invoke("Nobody at the chess club talks to me.", extra_body={"reflection": {"revise_threshold": 0}})
print("Answer:", message.content)
print("Decision:", message.additional_kwargs["reflection"]["decision"])
