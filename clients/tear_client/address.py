"""Where the server is and which key opens it: given, or from the environment."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping

import httpx

from tear_chain.errors import InvalidRequest

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "TEAR_URL"
KEY_VARIABLE = "TEAR_API_KEY"


def server_url(given: str | None) -> httpx.URL:
    """The address that was given, else that of `TEAR_URL`, else this machine's usual one."""
    return parse_url(os.environ.get(URL_VARIABLE) or DEFAULT_URL if given is None else given)


def request_headers(api_key: str | None) -> Mapping[str, str]:
    """The headers of every request, with the key that was given, else that of `TEAR_API_KEY`.

    Raises `InvalidRequest` for a key that no header can carry.
    """
    headers = {"Content-Type": "application/json"}
    key = os.environ.get(KEY_VARIABLE) if api_key is None else api_key
    if key:
        if not (key.isascii() and key.isprintable()):
            raise InvalidRequest("The API key has characters that no key has. Copy it again.", param="api_key")
        headers["Authorization"] = f"Bearer {key}"
    return headers


def parse_url(text: str) -> httpx.URL:
    """The server's address; `host:8000/` and `…/v1` are understood. Raise `InvalidRequest` for anything else."""
    wrong = InvalidRequest(f"{text!r} is not a server's address. Give one like {DEFAULT_URL}.", param="url")
    given = text.strip()
    try:
        url = httpx.URL(given if "://" in given else f"http://{given}")
    except httpx.InvalidURL as error:
        raise wrong from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise wrong
    return url.copy_with(path=url.path.rstrip("/").removesuffix("/v1"))


def is_loopback(url: httpx.URL) -> bool:
    """Whether the address is this machine's own."""
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False
