from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from stories import KEPT, get, play, service_over

from tear_chain.tokenizer import ChainTokenizer
from tear_server.api.app import Access, build_app
from tear_server.api.page import KINDS, page_folder, read_page
from tear_server.keys import Key, make_key
from tear_server.service import Service

FILES = sorted(path.name for path in page_folder().iterdir())
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.fixture
def service(tokenizer: ChainTokenizer) -> Service:
    return service_over(play(tokenizer, KEPT), tokenizer)


@pytest.mark.parametrize("path", ["/", *(f"/web/{name}" for name in FILES)])
async def test_whatever_is_of_the_page_comes_with_its_policy(service: Service, path: str) -> None:
    reply = await get(service, path)
    kind = KINDS[".html" if path == "/" else Path(path).suffix]
    assert (reply.status_code, reply.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
    assert reply.headers["content-security-policy"] == POLICY
    assert (reply.headers["x-content-type-options"], reply.headers["referrer-policy"]) == ("nosniff", "no-referrer")


async def test_the_page_names_only_files_that_there_are(service: Service) -> None:
    html = (await get(service, "/")).text
    named = re.findall(r'(?:src|href)="web/([^"]+)"', html)
    for name in FILES:
        named += re.findall(r'^(?:import .*|\} )from "\./([^"]+)";$', (page_folder() / name).read_text(), re.MULTILINE)
    assert set(named) <= set(FILES)
    assert set(FILES) == {*named, "index.html"}, "a file that nothing uses"


def test_nothing_of_the_page_comes_from_elsewhere_or_reads_markup() -> None:
    for name in FILES:
        text = (page_folder() / name).read_text()
        hosts = set(re.findall(r"\b(?:https?:)?//([\w.]+\.[a-z]+)", text))
        assert hosts <= {"www.w3.org"}, f"{name}: {hosts}"
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|style=", text), name


@pytest.mark.parametrize("path", ["/web/nothing.js", "/web/", "/web/..%2fapi%2fapp.py"])
async def test_no_other_file_is_served(service: Service, path: str) -> None:
    reply = await get(service, path)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")


async def test_who_has_a_file_is_not_sent_it_again(service: Service) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(service)), base_url="http://tear") as client:
        tag = (await client.get("/web/page.js")).headers["etag"]
        same = await client.get("/web/page.js", headers={"if-none-match": tag})
        other = await client.get("/web/page.js", headers={"if-none-match": '"another"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert (other.status_code, other.headers["cache-control"]) == (200, "no-cache")


async def test_the_page_needs_no_key(service: Service) -> None:
    app = build_app(service, Access(keys={"alice": Key(sha256=make_key()[1])}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as client:
        assert (await client.get("/")).status_code == 200


def test_a_folder_without_the_page_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        read_page(tmp_path)
