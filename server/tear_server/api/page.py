"""`/` and `/web/…`: the page for people. Plain files, and a client of this API like any other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

INDEX = "index.html"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""What is served of the folder, by suffix."""
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""Nothing comes from elsewhere and nothing inline is run, whatever a model writes."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # a new server's page must not run an old one's modules
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page."""

    content: bytes
    kind: str

    @property
    def tag(self) -> str:
        """Its entity tag."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    def reply(self, request: Request) -> Response:
        """The file, or 304 to who has it already."""
        headers = {**HEADERS, "etag": self.tag}
        if self.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=f"{self.kind}; charset=utf-8", headers=headers)


@cache
def page_routes() -> APIRouter:
    """The routes; the files are read once, here."""
    files = read_page(page_folder())
    # Not in the API's description: nobody programs against a page.
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def get_page(request: Request) -> Response:
        """The page."""
        return files[INDEX].reply(request)

    @routes.get("/web/{name}")
    async def get_page_file(name: str, request: Request) -> Response:
        """A style, a module or a picture of it."""
        if name not in files:
            raise HTTPException(404)
        return files[name].reply(request)

    return routes


def page_folder() -> Path:
    """Where the page lies: a wheel brings it inside this package, a checkout has it as a workplace of its own."""
    installed = Path(__file__).parent.parent / "web"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "clients" / "web"


def read_page(folder: Path) -> dict[str, PageFile]:
    """The files of the page by name; raise `FileNotFoundError` where there is none."""
    if not (folder / INDEX).is_file():
        raise FileNotFoundError(f"The web page is not at {folder}: {INDEX} is missing. Reinstall the-tear.")
    paths = [path for path in folder.iterdir() if path.suffix in KINDS]
    return {path.name: PageFile(path.read_bytes(), KINDS[path.suffix]) for path in paths}
