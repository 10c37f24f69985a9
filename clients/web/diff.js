// What a revision changed, word by word: the longest common subsequence of the two texts' words.

const MOST_CELLS = 4_000_000;

/**
 * The parts of both texts in order: `same`, `out` (of the old text alone) and `in` (of the new one alone).
 * Joined without `in` they are the old text, without `out` the new one.
 */
export function diff(before, after) {
  const [old, now] = [split(before), split(after)];
  if (old.length * now.length > MOST_CELLS) return join([["out", before], ["in", after]]);
  return join(settle(trace(old, now)));
}

function split(text) {
  if (!("Segmenter" in Intl)) return text.match(/\s+|[\p{L}\p{N}\p{M}'’]+|[^\s\p{L}\p{N}\p{M}'’]+/gu) ?? [];
  // Knows words in languages that put no spaces between them.
  return Array.from(new Intl.Segmenter(undefined, { granularity: "word" }).segment(text), (found) => found.segment);
}

function trace(old, now) {
  const width = now.length + 1;
  const longest = new Uint16Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      const here = i * width + j;
      longest[here] =
        old[i] === now[j] ? longest[here + width + 1] + 1 : Math.max(longest[here + width], longest[here + 1]);
    }
  }
  const found = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    if (old[i] === now[j]) {
      found.push(["same", old[i]]);
      i += 1;
      j += 1;
    } else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
      found.push(["out", old[i++]]);
    } else {
      found.push(["in", now[j++]]);
    }
  }
  return [...found, ...old.slice(i).map((word) => ["out", word]), ...now.slice(j).map((word) => ["in", word])];
}

/** Takes blanks and commas that merely happen to be in both for changed, where all around them is: else it is confetti. */
function settle(parts) {
  const settled = [];
  let run = { out: "", in: "", held: "" };
  const close = () => {
    settled.push(["out", run.out], ["in", run.in], ["same", run.held]);
    run = { out: "", in: "", held: "" };
  };
  for (const [kind, text] of parts) {
    if (kind !== "same") {
      for (const side of run.held === "" ? [] : ["out", "in"]) run[side] += run.held;
      run.held = "";
      run[kind] += text;
    } else if (run.out + run.in !== "" && !/[\p{L}\p{N}]/u.test(text)) {
      run.held += text;
    } else {
      close();
      settled.push(["same", text]);
    }
  }
  close();
  return settled;
}

function join(parts) {
  const joined = [];
  for (const [kind, text] of parts) {
    if (text === "") continue;
    const last = joined.at(-1);
    if (last?.kind === kind) last.text += text;
    else joined.push({ kind, text });
  }
  return joined;
}
