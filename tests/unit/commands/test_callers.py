"""A service without a token answers programs of this machine, never pages in its browser."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from rl.commands.callers import LocalCallers


async def run(request):
    return PlainTextResponse("ran")


CLIENT = TestClient(LocalCallers(Starlette(routes=[Route("/run", run, methods=["POST"])])))


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:8091"},
        {"host": "localhost:8091"},
        {"host": "[::1]:8091"},
        {"host": "127.0.0.1", "origin": "http://localhost:3000"},
        {"host": "127.0.0.1", "origin": "http://[::1]:3000"},
        {"host": "192.0.2.7:8091", "origin": "http://192.0.2.7:8091"},
    ],
)
def test_programs_of_this_machine(headers) -> None:
    assert CLIENT.post("/run", headers=headers).text == "ran"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": ""},
        {"host": "127.0.0.1:8091", "origin": "https://evil.example"},
        {"host": "127.0.0.1:8091", "origin": "null"},
        {"host": "127.0.0.1:8091", "origin": "http://203.0.113.5"},
        {"host": "192.0.2.7:8091", "origin": "http://203.0.113.5:8091"},
        {"host": "127.0.0.1:8091", "origin": "http://localhost@evil.example"},
    ],
)
def test_pages_and_rebound_names(headers) -> None:
    answer = CLIENT.post("/run", headers=headers)
    assert answer.status_code == 403 and "--token-file" in answer.json()["error"]["message"]
