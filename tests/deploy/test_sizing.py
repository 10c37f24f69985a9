"""The table of docs/deployment.md, worked out again from the true shape."""

from __future__ import annotations

import math

from docs.pages import Page, read
from true_shape import TEXT

PAGE: Page = read("deployment.md").section("What fits a 4090")
MIB = 1 << 20
RANK = 16
CARD_MIB = 24_564
GUESS_MIB = 1536


def test_the_sizing_table_follows_from_the_shape() -> None:
    width, layers, inner = TEXT["hidden_size"], TEXT["num_hidden_layers"], TEXT["intermediate_size"]
    heads, kv_heads, head = TEXT["num_attention_heads"], TEXT["num_key_value_heads"], TEXT["head_dim"]
    assert isinstance(width, int)
    projections = [(width, heads * head), (heads * head, width), *[(width, kv_heads * head)] * 2]
    projections += [(width, inner)] * 2 + [(inner, width)]
    layer = sum(rows * columns for rows, columns in projections) + 2 * width
    weights = 2 * (layers * layer + TEXT["vocab_size"] * width + width)
    adapter = 2 * layers * RANK * sum(map(sum, projections))
    token = 2 * layers * kv_heads * head * 2
    left = 0.9 * CARD_MIB * MIB - weights - adapter - GUESS_MIB * MIB
    tokens = math.floor(left / token)
    told = {row[0]: row[-1] for head in ("What", "Of 24,564 MiB") for row in PAGE.rows(head)}
    assert told == {
        "Weights of a layer": f"{2 * layer / 1e6:.1f} MB",
        "Weights": f"− {weights / MIB:,.0f} MiB",
        "KV cache of a token": f"{token / 1024:.0f} KiB",
        "KV cache of 4096 tokens": f"{4096 * token / MIB:.0f} MiB",
        f"An adapter of rank {RANK} on all seven projections": f"{adapter / MIB:.0f} MiB",
        "`TEAR_GPU_MEMORY_UTILIZATION` 0.9": f"{0.9 * CARD_MIB:,.0f} MiB",
        "One adapter; 8 with `TEAR_ADAPTERS_DIR`": f"− {adapter / MIB:.0f} MiB; − {8 * adapter / MIB:.0f} MiB",
        "Activations, CUDA graphs, the context: a guess": f"− {GUESS_MIB:,} MiB",
        "Left for the KV cache": f"{left / MIB:,.0f} MiB",
        "Tokens in it": f"{tokens:,}",
        "Reflections at once, each 4096 tokens long": str(tokens // 4096),
    }
    assert f"{weights / 1e9:.2f} GB" in PAGE.text
    assert f"at 1024 tokens\n{tokens // 1024} fit" in PAGE.text
