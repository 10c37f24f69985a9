"""The files of deploy/integrations as a reader would copy them, for a server at another address."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FILES = ROOT / "deploy" / "integrations"
QUESTION = "Nobody at the chess club talks to me."
LIMIT_S = 120


def copied(name: str, to: Path, *, url: str, key: str = "none", model: str = "tear-nano") -> Path:
    """Copy a recipe's file into the folder `to`, with this server in place of the one it names."""
    text = (FILES / name).read_text(encoding="utf-8")
    for said, meant in {"http://127.0.0.1:8000": url, "tear-nano": model, "none": key}.items():
        text = text.replace(said, meant)
    copy = to / Path(name).name
    copy.write_text(text, encoding="utf-8")
    return copy


def surroundings(**more: str) -> dict[str, str]:
    """This process's environment, without what would lead another's Python astray, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONWARNINGS")}
    # LiteLLM's price list would be fetched from afar.
    return {**kept, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **more}


def told(command: Sequence[str | Path], **more: str) -> subprocess.CompletedProcess[str]:
    """What a command that succeeds writes; `more` are variables for it."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        stdin=subprocess.DEVNULL,
        env=surroundings(**more),
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done
