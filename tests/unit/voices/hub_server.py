"""A Hugging Face hub on the loopback, as far as the voice store talks to it."""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPOSITORY = "someone/voices"


@dataclass
class HubFiles:
    """The files of the newest commit, and how many commits there were."""

    files: dict[str, bytes] = field(default_factory=dict)
    num_commits: int = 1
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def head(self) -> str:
        return f"{self.num_commits:040x}"

    def commit(self, lines: list[dict[str, Any]]) -> bool:
        """Apply a commit, unless its parent is not the newest one."""
        with self.lock:
            parent = lines[0]["value"].get("parentCommit")
            if parent is not None and parent != self.head:
                return False
            for line in lines[1:]:
                path = line["value"]["path"]
                if line["key"] == "deletedFile":
                    del self.files[path]
                else:
                    self.files[path] = base64.b64decode(line["value"]["content"])
            self.num_commits += 1
            return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubFiles

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        found = re.fullmatch(rf"/{REPOSITORY}/resolve/(\w+)/(.+)", path)
        if found and found[2] in self.hub.files:
            data = self.hub.files[found[2]]
            self.answer(200, data, {"ETag": f'"{hashlib.sha1(data).hexdigest()}"'})
        elif path.startswith(f"/api/models/{REPOSITORY}/tree/"):
            files = [
                {"type": "file", "path": name, "size": len(data), "oid": ""} for name, data in self.hub.files.items()
            ]
            self.answer_json(files)
        else:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.answer_json({"files": files})
        elif "/commit/" in self.path:
            if self.hub.commit([json.loads(line) for line in body.splitlines()]):
                url = f"http://{self.headers['Host']}/{REPOSITORY}/commit/{self.hub.head}"
                self.answer_json({"success": True, "commitOid": self.hub.head, "commitUrl": url, "hookOutput": ""})
            else:
                self.answer(412, b"{}", {"Content-Type": "application/json"})
        else:
            self.answer(404, b"", {})

    def answer_json(self, value: object) -> None:
        self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "X-Repo-Commit": self.hub.head, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def serve(hub: HubFiles) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
