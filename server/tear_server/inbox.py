"""The folder that adapters may be taken from while the server runs. What lies outside it is out of reach, and what is
taken is copied first: whoever changes the folder later changes nothing that is served."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tear_chain.artifact import PICKLED
from tear_chain.errors import AdapterError, InvalidRequest
from tear_chain.manifest import MANIFEST_FILE
from tear_chain.prepared import PreparedBase
from tear_server.adapters import Adapter, open_adapter


class Inbox:
    """A folder of adapters, and a private one for the copies."""

    def __init__(self, folder: Path, copies: Path) -> None:
        self._folder = folder
        self._copies = copies

    def take(self, path: str, base: PreparedBase) -> Adapter:
        """A copy of the adapter at `path` inside the folder, checked byte by byte, which fits the base.

        Raises `InvalidRequest` for a path that leads out, `AdapterError` for what lies there and cannot be used.
        Reads and writes files: run it in a thread.
        """
        source = self._find(path)
        try:
            self._check_contents(source)
            found = open_adapter(source, base)
        except OSError as exc:
            raise AdapterError(f"{source} cannot be read: {exc.strerror}.") from exc
        place = self._copies / found.name
        if place.is_dir():
            return Adapter(place, found.manifest)
        with tempfile.TemporaryDirectory(dir=self._copies, prefix="coming-") as coming:
            whole = Path(coming) / found.name
            whole.mkdir()
            try:
                for name in (*found.manifest.files, MANIFEST_FILE):
                    shutil.copyfile(source / name, whole / name)
                copy = open_adapter(whole, base)
            except (OSError, AdapterError) as exc:
                raise AdapterError(f"{source} cannot be copied, or was changed while it was read.") from exc
            if copy.name != found.name:
                raise AdapterError(f"{source} was changed while it was read.")
            whole.rename(place)
        return Adapter(place, copy.manifest)

    def discard(self, adapter: Adapter) -> None:
        """Delete a copy; an adapter that is none of them is left alone."""
        if adapter.folder.parent == self._copies:
            shutil.rmtree(adapter.folder, ignore_errors=True)

    def _find(self, path: str) -> Path:
        asked, inside = Path(path), self._folder.resolve()
        try:
            found = (inside / asked).resolve()
            is_inside = not asked.is_absolute() and ".." not in asked.parts and inside in found.parents
            is_folder = found.is_dir()
        except (OSError, RuntimeError, ValueError) as exc:  # too long, a loop of links, a zero byte
            raise InvalidRequest(f"path cannot be used: {exc}.", param="path") from exc
        if not is_inside:
            raise InvalidRequest(
                f"path is {path!r}, expected the name of a folder inside the server's folder of adapters.", param="path"
            )
        if not is_folder:
            raise AdapterError(f"The server's folder of adapters has no folder {path!r}.")
        return found

    def _check_contents(self, source: Path) -> None:
        inside = self._folder.resolve()
        for entry in sorted(source.iterdir()):
            if entry.suffix.lower() in PICKLED:
                raise AdapterError(
                    f"{entry} may run code when it is read. Only safetensors are taken; remove that file."
                )
            if inside not in entry.resolve().parents:
                raise AdapterError(f"{entry} is a link that leads out of the server's folder of adapters.")
