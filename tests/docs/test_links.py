"""Every link within the project leads somewhere: files, folders, headings, pictures; and the map names every page."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent.parent
MARKDOWN = MarkdownIt("commonmark").enable("table")
PICTURES = (".png", ".svg", ".jpg", ".gif")
OF_HTML = re.compile(r"""\b(?:href|src|srcset)=["']([^"']+)["']""")
NAMED_IN_HTML = re.compile(r"""\b(?:id|name)=["']([^"']+)["']""")
ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


def markdown_files(root: Path) -> Iterator[Path]:
    """All pages of the project; what was installed or cached beside them is none of them."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        yield from (Path(folder) / name for name in sorted(files) if name.endswith(".md"))


PAGES = list(markdown_files(ROOT))
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


@BY_PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    found = [f"{link}: {fault}" for link in links(page) if (fault := broken(page, link))]
    assert not found, "\n".join(found)


@BY_PAGE
def test_every_picture_is_told_in_words(page: Path) -> None:
    unspoken = [each.attrGet("src") for each in walk(tokens(page)) if each.type == "image" and not each.content.strip()]
    assert unspoken == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_the_map_names_every_page(page: Path) -> None:
    assert page.name in {*links(ROOT / "docs" / "README.md"), "README.md"}


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("there.md", None),
        ("there.md#two-words", None),
        ("there.md#two-words-1", None),
        ("there.md#get-v1modelsname", None),
        ("#here", None),
        ("folder", None),
        ("folder/seen.png", None),
        ("https://example.org/absent", None),
        ("mailto:nobody@example.org", None),
        ("away.md", "there is no such file"),
        ("folder/unseen.png", "there is no such file"),
        ("there.md#three-words", "there is no such heading"),
        ("there.md#two-words-2", "there is no such heading"),
        ("#there", "there is no such heading"),
        ("folder#here", "only pages have headings"),
        ("/there.md", "a link within the project is relative"),
        ("folder/empty.svg", "the picture is empty"),
    ],
)
def test_a_link_is_judged_by_what_it_leads_to(tmp_path: Path, link: str, fault: str | None) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "seen.png").write_bytes(b"\x89PNG")
    (tmp_path / "folder" / "empty.svg").touch()
    (tmp_path / "there.md").write_text(
        "# Two *words*\n\n## Two words\n\n## `GET /v1/models/{name}`\n", encoding="utf-8"
    )
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n[seen]({link})\n", encoding="utf-8")
    assert [(each, broken(page, each)) for each in links(page)] == [(link, fault)]


def test_links_are_found_wherever_they_stand_and_not_in_code(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '[a](a.md) ![b](b.png) <img src="c.png"> `[d](d.md)`\n\n| t |\n|---|\n| [e][far] |\n\n'
        '```text\n[f](f.md)\n```\n\n<picture><source srcset="g.png"></picture>\n\n[far]: e.md\n',
        encoding="utf-8",
    )
    assert links(page) == ["a.md", "b.png", "c.png", "e.md", "g.png"]


def links(page: Path) -> list[str]:
    """Where the links and pictures of a page lead, in their order."""
    found: list[str] = []
    for token in walk(tokens(page)):
        if token.type in ("html_inline", "html_block"):
            found += OF_HTML.findall(token.content)
        elif isinstance(target := token.attrGet("href") or token.attrGet("src"), str):
            found.append(unquote(target))
    return found


def broken(page: Path, link: str) -> str | None:
    """What is wrong with a link; None for a good one. What lies outside of the project is not looked at."""
    if ELSEWHERE.match(link):
        return None
    path, _, heading = link.partition("#")
    if path.startswith("/"):
        return "a link within the project is relative"
    target = page.parent / path if path else page
    if not target.exists():
        return "there is no such file"
    if target.suffix in PICTURES and not target.stat().st_size:
        return "the picture is empty"
    if not heading:
        return None
    if target.suffix != ".md":
        return "only pages have headings"
    return None if heading in anchors(target) else "there is no such heading"


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names by which the headings of a page can be reached, as GitHub makes them."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    whole = tokens(page)
    for opened, inline in pairwise(whole):
        if opened.type == "heading_open":
            said = "".join(each.content for each in inline.children or () if each.type in ("text", "code_inline"))
            name = re.sub(r"[^\w\- ]", "", said.lower()).replace(" ", "-")
            found.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
    for token in walk(whole):
        if token.type in ("html_inline", "html_block"):
            found.update(NAMED_IN_HTML.findall(token.content))
    return frozenset(found)


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(MARKDOWN.parse(page.read_text(encoding="utf-8")))


def walk(given: tuple[Token, ...]) -> Iterator[Token]:
    for token in given:
        if token.type == "inline":
            yield from token.children or ()
        else:
            yield token
