"""The programs of docs/integrations.md, run as they stand there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conformance.recorded import Target
from integrations.recipes import ROOT, copied, told

PEERS = ROOT / ".peers"
PROGRAMS = pytest.mark.parametrize(
    ("interpreter", "program"),
    [
        (Path(sys.executable), "openai_sdk.py"),
        (PEERS / "bin" / "node", "openai_sdk.mjs"),
        (PEERS / "bin" / "python", "litellm_sdk.py"),
        (PEERS / "bin" / "python", "langchain_chat.py"),
    ],
    ids=["openai", "node", "litellm", "langchain"],
)
WITNESS = re.compile(
    r"Draft: .+\n(Who: .+\n)?(Impact: .+\n)?(Ripples: .+\n)?Weight: [-+−]?\d.*\nDecision: (keep|revise).*\n"
)


@PROGRAMS
def test_a_program_prints_the_witness_and_reaches_the_reflection(
    target: Target, tmp_path: Path, interpreter: Path, program: str
) -> None:
    if not (PEERS / ".ready").is_file():
        pytest.fail(f"{PEERS} is missing: `make peers` installs what these programs import.")
    # Node.js looks for packages beside the program.
    (tmp_path / "node_modules").symlink_to(PEERS / "node_modules")
    copy = copied(program, tmp_path, url=target.url, key=target.key or "none", model=target.model)
    printed = told([interpreter, copy]).stdout
    print(printed)
    assert WITNESS.match(printed), printed
    assert re.search(r"^Answer: .+$", printed, re.MULTILINE), printed
    # The second request asks to revise whatever the model thinks of it.
    assert re.search(r"^Decision: revise$", printed, re.MULTILINE), printed
