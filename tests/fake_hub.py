"""A model hub as huggingface_hub speaks to one, on a real socket: for unit tests of what is fetched and pushed."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_tests"


@dataclass
class Repo:
    """A repository: its files as of each commit, the newest last."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def commit(self, files: Mapping[str, bytes]) -> str:
        """Add files to those of the newest commit; the new one's name."""
        whole = {**self.files, **files}
        listing = "".join(f"{name} {hashlib.sha1(content).hexdigest()}\n" for name, content in sorted(whole.items()))
        name = hashlib.sha1(f"{len(self.commits)} {listing}".encode()).hexdigest()
        self.commits[name] = whole
        return name

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.head] if self.commits else {}


@dataclass
class FakeHub:
    """What the hub holds, and what was asked of it."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    """Large files by digest: uploaded, not yet part of a commit."""
    asked: list[str] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body."""
        match path.strip("/").split("/"):
            case ["api", "models", owner, name, *rest]:
                repo = self.repos.get(f"{owner}/{name}")
                commit = self._commit(repo, unquote(rest[1]) if len(rest) > 1 else "main")
                if repo is None or commit is None:
                    return self._missing(repo)
                if rest[:1] == ["tree"]:
                    return _json([_entry(each, content) for each, content in repo.commits[commit].items()])
                return _json({"id": f"{owner}/{name}", "sha": commit, "private": repo.private, "siblings": []})
            case [owner, name, "resolve", revision, *rest]:
                repo = self.repos.get(f"{owner}/{name}")
                commit = self._commit(repo, unquote(revision))
                if repo is None or commit is None:
                    return self._missing(repo)
                content = repo.commits[commit].get("/".join(rest))
                if content is None:
                    return 404, {"X-Error-Code": "EntryNotFound"}, b""
                return 200, {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}, content
        return 404, {}, b""

    def post(self, path: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body."""
        match path.strip("/").split("/"):
            case ["api", "validate-yaml"]:
                return _json({"errors": [], "warnings": []})
            case ["api", "repos", "create"]:
                wanted = json.loads(body)
                name = f"{wanted['organization']}/{wanted['name']}"
                status = 409 if name in self.repos else 200
                is_private = wanted.get("visibility", "public") == "private" or wanted.get("private", False)
                self.repos.setdefault(name, Repo(private=is_private))
                return _json({"url": f"{self.url}/{name}", "name": name}, status)
            case ["api", "models", _, _, "preupload", _]:
                files = [
                    {"path": each["path"], "shouldIgnore": False, "uploadMode": _mode(each["path"])}
                    for each in json.loads(body)["files"]
                ]
                return _json({"files": files})
            case [_, _, "info", "lfs", "objects", "batch"]:
                objects = [
                    {**each, "actions": {"upload": {"href": f"{self.url}/blobs/{each['oid']}"}}}
                    for each in json.loads(body)["objects"]
                ]
                return _json({"transfer": "basic", "objects": objects})
            case ["api", "models", owner, name, "commit", "main"]:
                commit = self.repos[f"{owner}/{name}"].commit(self._added(body))
                return _json({"commitUrl": f"{self.url}/{owner}/{name}/commit/{commit}", "commitOid": commit})
        return 404, {}, b""

    def put(self, path: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body."""
        digest = path.rpartition("/")[2]
        assert hashlib.sha256(body).hexdigest() == digest
        self.blobs[digest] = body
        return 200, {}, b""

    def _added(self, body: bytes) -> dict[str, bytes]:
        added = {}
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                added[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                added[value["path"]] = self.blobs[value["oid"]]
        return added

    def _commit(self, repo: Repo | None, revision: str) -> str | None:
        if repo is None:
            return None
        if revision == "main":
            return repo.head if repo.commits else "0" * 40
        return revision if revision in repo.commits else None

    def _missing(self, repo: Repo | None) -> tuple[int, Mapping[str, str], bytes]:
        return 404, {"X-Error-Code": "RepoNotFound" if repo is None else "RevisionNotFound"}, b""


@contextmanager
def open_hub() -> Iterator[FakeHub]:
    """A hub that listens; whoever changes something must show `TOKEN`."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(*hub.get(urlsplit(self.path).path))

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self._change(hub.post)

        def do_PUT(self) -> None:
            self._change(hub.put, is_open=True)  # the address is the secret, as with a signed link

        def _change(self, change: Any, *, is_open: bool = False) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if is_open or self.headers.get("Authorization") == f"Bearer {TOKEN}":
                self._answer(*change(urlsplit(self.path).path, body))
            else:
                self._answer(401, {}, b'{"error": "Invalid username or password."}')

        def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def _mode(path: str) -> str:
    return "lfs" if path.endswith(".safetensors") else "regular"


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content)}
    entry["oid"] = hashlib.sha1(content).hexdigest()
    if _mode(path) == "lfs":
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


def _json(value: object, status: int = 200) -> tuple[int, Mapping[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()
