"""OpenAI's SDK for Python: the witness as it streams, then the whole reflection."""

from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")
asked = {
    "model": "tear-nano",
    "messages": [{"role": "user", "content": "Nobody at the chess club talks to me."}],
    "temperature": 0,
}

for chunk in client.chat.completions.create(**asked, stream=True):
    for choice in chunk.choices:
        print(getattr(choice.delta, "reasoning", None) or choice.delta.content or "", end="")
print()

message = client.chat.completions.create(**asked, extra_body={"reflection": {"revise_threshold": 0}}).choices[0].message
print("Answer:", message.content)
print("Decision:", message.reflection["decision"])
print("Weight:", message.reflection["witness"]["weight"])
