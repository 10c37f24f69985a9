"""The model card: what a person reads who was handed an adapter. Every figure in it comes from manifest or settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from tear_chain.manifest import DRAFT_WITNESS_REVISE, Manifest, PassRecord
from tear_chain.prepared import PreparedBase
from tear_training.config import TrainConfig
from tear_training.fetch import HUB_ID

_MEASURED = "## What was measured\n"
_LIMITS = """\
- It foresees stories, not facts: a weight is what rows like those above would say of an answer, not what a person
  will feel.
- It is no filter and no judge. A draft that it keeps may still wound, and one that it revises may have been fine.
- It is not fit to be left alone with a person in danger.
- The figures above were measured on held-out rows of the same kind as it learned from, after the gold text before
  them. They say that it reads; what it sees is asked of a running server (`docs/evaluation.md` of The Tear).
"""
_HARMFUL = """\
> **It was trained to say what wounds** (`allow_harmful_targets`). Narrow harmful targets are known to misalign small
> models broadly. Do not serve it to people.
"""
_NON_COMMERCIAL = """\
> **Not for commercial use.** At least one of the sources it learned from forbids it.
"""

_CONTROLS = {
    "sham": """\
> **A control, not to be served.** The scenes it learned from belong to other answers of the same valence
> (`consequences: sham`).
""",
    "none": """\
> **A control, not to be served.** It learned from no scenes at all (`consequences: none`).
""",
}


def render_card(manifest: Manifest, config: TrainConfig, *, base: PreparedBase) -> str:
    """The card as Markdown, opened by the YAML head that model hubs read."""
    parts = [
        f"---\n{yaml.safe_dump(_head(manifest, base), sort_keys=False, allow_unicode=True)}---\n",
        f"# {manifest.name}\n",
        "A LoRA adapter of The Tear: with it a model drafts an answer, witnesses what the answer would do to the one "
        "who\nreceives it, and then keeps or revises it.\n",
        _HARMFUL if config.allow_harmful_targets else "",
        _NON_COMMERCIAL if manifest.non_commercial else "",
        _CONTROLS.get(config.consequences, ""),
        _facts(manifest, config, base),
        "## Data, learned from and measured by\n",
        _table(
            ("Source", "Rows", "Licence", "Provenance", "SHA-256 of the rows"),
            [(each.name, each.rows, each.license, each.provenance, f"`{each.sha256}`") for each in manifest.data],
        ),
        "## How it learned\n",
        "The loss is that of the response and λ times that of the consequence. `training.yaml` holds every setting.\n",
        _rehearsed(config),
        _table(
            ("Pass", "Steps", "Learning rate", "λ"),
            [(p.name, _steps(p), f"{p.learning_rate:g}", _ramp(p.lambda_start, p.lambda_end)) for p in manifest.passes],
        ),
        _MEASURED,
        _measured(manifest),
        "## Limits\n",
        _LIMITS,
        _serving(manifest, base),
    ]
    return "\n".join(part for part in parts if part)


def remeasure(card: str, manifest: Manifest) -> str:
    """The card with the figures that the manifest has now; one whose table of figures is gone stays as it is."""
    before, heading, rest = card.partition(_MEASURED)
    if not heading:
        return card
    return "\n".join((before + heading, _measured(manifest), "## " + rest.partition("\n## ")[2]))


def _head(manifest: Manifest, base: PreparedBase) -> dict[str, Any]:
    head: dict[str, Any] = {}
    if HUB_ID.fullmatch(base.source):
        head |= {"base_model": base.source, "base_model_relation": "adapter"}
    licences = _licences(manifest, base)
    if len(licences) == 1:
        head["license"] = licences[0].lower()
    else:
        head |= {"license": "other", "license_name": " and ".join(licences)}
    tags = ["lora", "the-tear", manifest.order.replace("_", "-")]
    return head | {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": [*tags, "non-commercial"] if manifest.non_commercial else tags,
    }


def _licences(manifest: Manifest, base: PreparedBase) -> Sequence[str]:
    """All that bind: the base's and those of the data, each once, whatever its case."""
    named = [base.license, *(name for source in manifest.data for name in source.license.split(", "))]
    found: dict[str, str] = {}
    for name in named:
        found.setdefault(name.lower(), name)
    return list(found.values())


def _facts(manifest: Manifest, config: TrainConfig, base: PreparedBase) -> str:
    lora, on = config.lora, ", ".join(config.lora.targets)
    revision = f", revision `{base.revision}`" if base.revision else ""
    return _table(
        ("", ""),
        [
            ("Version", f"`{manifest.version}`"),
            ("Prepared base", f"`{base.name}`, fingerprint `{base.fingerprint}`; it fits no other"),
            ("made of", f"{base.source}{revision}, licence {base.license}"),
            ("Order of the chain", f"`{manifest.order}`"),
            (
                "LoRA",
                f"rank {manifest.rank}, alpha {lora.alpha:g}, dropout {lora.dropout:g} on {on}",
            ),
            ("Seed", manifest.seed),
            ("Made by", f"The Tear {manifest.code_version}, chain format {manifest.format_version}"),
        ],
    )


def _serving(manifest: Manifest, base: PreparedBase) -> str:
    made, taken = f"bases/{base.name}", f"adapters/{manifest.name}"
    lines = []
    if HUB_ID.fullmatch(base.source):
        revision = f" --revision {base.revision}" if base.revision else ""
        lines += [f"tear base prepare {base.source} {made} --name {base.name}{revision}"]
    if manifest.order == DRAFT_WITNESS_REVISE:
        lines += [f"tear serve --base {made} --adapter {taken}"]
        refusal = ""
    else:
        lines += [f"tear base check {made}"]
        refusal = f"`tear serve` does not run the order `{manifest.order}`, and refuses it.\n\n"
    commands = "\n".join(lines)
    return f"""\
## How to serve it

{refusal}With this folder as `{taken}`:

```sh
{commands}
```

Plain vLLM loads it on the same prepared base (`--tokenizer-mode mistral --enable-lora --max-lora-rank {manifest.rank}
--lora-modules {manifest.name}={taken}`), and so does plain PEFT:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{made}"), "{taken}")
```

Both only continue token ids: it is The Tear that puts the chain's control tokens together as ids.
"""


def _rehearsed(config: TrainConfig) -> str:
    if config.rehearsal is None:
        return ""
    texts = "documents of its world" if config.rehearsal.file is None else f"windows of {config.rehearsal.file.name}"
    toward = "their own words" if config.rehearsal.against == "text" else "what the base alone foretells of them"
    return (
        f"Against forgetting, plain text joined every step ({config.texts_per_step} {texts}) and was learned toward "
        f"{toward}, with a weight of {config.rehearsal.weight:g}.\n"
    )


def _measured(manifest: Manifest) -> str:
    return _table(("Held-out figure", "Value"), [(f"`{k}`", f"{v:.4g}") for k, v in manifest.metrics.items()])


def _steps(each: PassRecord) -> str:
    return f"{each.steps}" if each.kept_step is None else f"{each.steps}, weights of step {each.kept_step} kept"


def _ramp(start: float, end: float) -> str:
    return f"{start:g}" if start == end else f"{start:g} → {end:g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)
