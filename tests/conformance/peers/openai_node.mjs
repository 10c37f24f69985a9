// OpenAI's SDK for JavaScript: `openai_node.mjs PEERS URL KEY MODEL` prints what it saw, as JSON.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [home, url, key, model] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${home}/`));
const { default: OpenAI, NotFoundError } = await import(pathToFileURL(require.resolve("openai")).href);
const manifest = JSON.parse(readFileSync(`${home}/node_modules/openai/package.json`, "utf8"));

const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });
const asked = {
  model,
  messages: [{ role: "user", content: "I can't play the piano." }],
  temperature: 0,
  reflection: { revise_threshold: 0 },
};

await client.chat.completions.create(asked);
const whole = await client.chat.completions.create(asked);

let content = "", reasoning = "", usage = null;
const stream = await client.chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
  content += chunk.choices[0]?.delta.content ?? "";
  reasoning += chunk.choices[0]?.delta.reasoning ?? "";
  usage = chunk.usage ?? usage;
}

const runner = client.chat.completions.stream(asked);
const accumulated = await runner.finalContent();

const response = await client.responses.create({ model, input: "Hello.", temperature: 0 });
let said = "", end = "";
for await (const event of await client.responses.create({ model, input: "Hello.", temperature: 0, stream: true })) {
  if (event.type === "response.output_text.delta") said += event.delta;
  end = event.type;
}

const names = [];
for await (const one of client.models.list()) names.push(one.id);

let refused = {};
try {
  await client.chat.completions.create({ ...asked, model: "gpt-5" });
} catch (error) {
  if (!(error instanceof NotFoundError)) throw error;
  refused = { param: error.param, code: error.code };
}

const left = await client.chat.completions.create({ ...asked, stream: true });
left.controller.abort();

console.log(JSON.stringify({
  version: manifest.version,
  models: names,
  content: whole.choices[0].message.content,
  reasoning: whole.choices[0].message.reasoning,
  answer: whole.choices[0].message.reflection.answer,
  usage: whole.usage.total_tokens,
  streamed_content: content,
  streamed_reasoning: reasoning,
  streamed_usage: usage.total_tokens,
  accumulated_content: accumulated,
  response: response.output_text,
  response_streamed: said,
  response_end: end,
  refused,
}));
