"""A checkpoint to be prepared: a folder as it lies there, or one commit of a model hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tear_chain.errors import BaseError, HubError
from tear_chain.tokenizer import TOKENIZER_FILE
from tear_training.checkpoint import INDEX_FILE

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_FILES = ("config.json", TOKENIZER_FILE, INDEX_FILE, "model*.safetensors", "README.md")
"""Of a repository only this is fetched: some hold the weights once more, in another format."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's folder, and where it came from."""

    folder: Path
    source: str
    """The hub id, or the folder's own name."""
    revision: str | None
    """The hub's commit; None for a local folder."""


def fetch_checkpoint(src: Path | str, *, revision: str | None = None) -> Checkpoint:
    """The checkpoint `src`, downloaded where it is a hub id: of `revision`, else of the newest commit.

    What was downloaded once is found again without a network. Raises `BaseError` for what is neither folder nor hub
    id, `HubError` for what cannot be fetched.
    """
    folder = Path(src)
    if folder.is_dir():
        if revision is not None:
            raise BaseError(f"{src} is a local folder, which has no revision {revision}: leave it out.")
        return Checkpoint(folder, folder.resolve().name, None)
    if folder.exists() or not HUB_ID.fullmatch(str(src)):
        raise BaseError(
            f"{src} is neither a checkpoint folder nor a hub id such as mistralai/Ministral-3-3B-Base-2512."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    # A hub that does not answer is told by the HTTP library, which changes with the hub's own.
    http_error: type[Exception] = HfHubHTTPError.__bases__[0]
    try:
        found = Path(snapshot_download(str(src), revision=revision, allow_patterns=list(_FILES)))
    except (http_error, OSError, ValueError) as exc:
        reason = str(exc).strip().splitlines()[0].rstrip(".") if str(exc).strip() else type(exc).__name__
        raise HubError(
            f"{src} is no local folder, and it could not be fetched from the model hub: {reason}. "
            f"Without a hub, download it elsewhere (`hf download {src} --local-dir DIR`) and name that folder."
        ) from exc
    # The hub's cache names a folder after the commit that lies in it, whatever branch or tag was asked for.
    return Checkpoint(found, str(src), found.name)
