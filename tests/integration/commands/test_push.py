"""``t2rl push`` against a server that speaks the Hub's own protocol, with the real client."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rl.config.load import dump_config, load_config
from rl.records.jsonl import JsonlWriter


class Hub(ThreadingHTTPServer):
    """Takes one repository's files; with ``refuses`` it answers every call with that status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.messages: list[str] = []
        self.created: list[dict[str, Any]] = []
        self.refuses: int | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: object) -> None:
        """Silence."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub, path = self.server, self.path.split("?")[0]
        if hub.refuses is not None:
            self.reply({"error": "no such rights"}, status=hub.refuses)
        elif path == "/api/repos/create":
            hub.created.append(json.loads(body))
            self.reply({"url": f"{hub.address}/me/mine"})
        elif path == "/api/validate-yaml":
            self.reply({"errors": [], "warnings": []})
        elif path == "/api/models/me/mine/preupload/main":
            files = json.loads(body)["files"]
            known = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]
            self.reply({"files": known})
        elif path == "/api/models/me/mine/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "header":
                    hub.messages.append(line["value"]["summary"])
                elif line["key"] == "file":
                    hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.reply(
                {"success": True, "commitOid": "0" * 40, "commitUrl": f"{hub.address}/me/mine/commit/0"}
            )
        else:
            self.reply({"error": f"unknown: {path}"}, status=404)

    def do_GET(self) -> None:
        self.reply({"error": f"unknown: {self.path}"}, status=404)

    def reply(self, content: object, *, status: int = 200) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "mine"
    (path / "model").mkdir(parents=True)
    (path / "config.yaml").write_text(dump_config(load_config("quickstart")))
    JsonlWriter(path / "attempts.jsonl", attempt=1).close()
    (path / "model" / "config.json").write_text('{"model_type": "llama"}')
    return path


def push(run: Path, endpoint: str, *more: str, token: str = "hf_test") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0"}
    environment |= {"HF_HOME": str(run.parent / "hf"), "HF_HUB_DISABLE_XET": "1"}
    words = [sys.executable, "-m", "t2rl", "push", str(run), "me/mine", "--license", "mit", *more]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)


def test_model_card_and_config_arrive(hub: Hub, run: Path) -> None:
    done = push(run, hub.address, "--private", "--message", "first", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"step": 0, "directory": None, "address": f"{hub.address}/me/mine"}
    assert set(hub.files) == {"README.md", "config.json", "t2rl_config.yaml"} and hub.messages == ["first"]
    assert (
        b"license: mit" in hub.files["README.md"] and hub.files["config.json"] == b'{"model_type": "llama"}'
    )
    (created,) = hub.created
    assert created.get("private") or created.get("visibility") == "private"


def test_rights_and_reach_are_said_in_words(hub: Hub, run: Path) -> None:
    hub.refuses = 403
    refused = push(run, hub.address)
    assert refused.returncode == 2 and "the Hub answered 403" in refused.stderr
    assert "hf auth login" in refused.stderr and "Traceback" not in refused.stderr
    gone = push(run, "http://127.0.0.1:9")
    assert gone.returncode == 1 and "the Hub cannot be reached" in gone.stderr
    assert "Traceback" not in gone.stderr
