"""LiteLLM as a library: the witness as `reasoning_content`, the reflection among the provider's own fields."""

import litellm

reply = litellm.completion(
    model="openai/tear-nano",
    api_base="http://127.0.0.1:8000/v1",
    api_key="none",
    messages=[{"role": "user", "content": "Nobody at the chess club talks to me."}],
    temperature=0,
    extra_body={"reflection": {"revise_threshold": 0}},
)
message = reply.choices[0].message
print(message.reasoning_content)
print("Answer:", message.content)
print("Decision:", message.provider_specific_fields["reflection"]["decision"])
