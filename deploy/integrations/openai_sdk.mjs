// OpenAI's SDK for JavaScript: the witness as it streams, then the whole reflection.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "http://127.0.0.1:8000/v1", apiKey: "none" });
const asked = {
  model: "tear-nano",
  messages: [{ role: "user", content: "Nobody at the chess club talks to me." }],
  temperature: 0,
};

for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
  const delta = chunk.choices[0]?.delta ?? {};
  process.stdout.write(delta.reasoning || delta.content || "");
}
console.log();

const reply = await client.chat.completions.create({ ...asked, reflection: { revise_threshold: 0 } });
const message = reply.choices[0].message;
console.log("Answer:", message.content);
console.log("Decision:", message.reflection.decision);
console.log("Weight:", message.reflection.witness.weight);
