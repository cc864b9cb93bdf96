"""Who gets in, and what nobody may do."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from rl.watch.guard import POLICY, Guard

TOKEN = "s3cret-of-the-run"


def client(token: str | None = None, base: str = "http://127.0.0.1:8800") -> TestClient:
    async def run(request):
        return PlainTextResponse("the run")

    inner = Starlette(routes=[Route("/{rest:path}", run, methods=["GET", "POST", "DELETE", "OPTIONS"])])
    return TestClient(Guard(inner, names=["mybox"], token=token), base_url=base, follow_redirects=False)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8800", "localhost:1", "LOCALHOST", "[::1]:8800", "10.0.0.7", "mybox:80"]
)
def test_addresses_and_own_names_pass(host: str) -> None:
    assert client().get("/", headers={"host": host}).text == "the run"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8800",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[::1.evil]",
    ],
)
def test_a_name_that_is_not_ours_is_refused_as_rebinding(host: str) -> None:
    answer = client().get("/", headers={"host": host})
    assert answer.status_code == 421 and "the run" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading(method: str) -> None:
    answer = client().request(method, "/")
    assert answer.status_code == 405 and answer.headers["allow"] == "GET, HEAD"
    assert client().head("/").status_code == 200


@pytest.mark.parametrize("token", [None, TOKEN])
def test_every_answer_has_the_policy_and_none_has_cors(token: str | None) -> None:
    for answer in (
        client(token).get("/", headers={"origin": "http://evil.example"}),
        client(token).post("/"),
    ):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_policy_runs_no_inline_script_and_asks_nobody_else() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == "'none'" and rules["script-src"] == rules["connect-src"] == "'self'"
    assert "http" not in POLICY and rules["frame-ancestors"] == "'none'"


@pytest.mark.parametrize(
    "given", ["", "?token=", "?token=wrong", f"?token={TOKEN}x", "?token=%FF", "?token=é"]
)
def test_without_the_token_nothing_is_shown(given: str) -> None:
    answer = client(TOKEN).get(f"/api/runs{given}")
    assert answer.status_code == 401 and "the run" not in answer.text and TOKEN not in answer.text


def test_the_token_in_the_address_becomes_a_cookie_that_scripts_cannot_read() -> None:
    browser = client(TOKEN)
    first = browser.get(f"/?run=a&token={TOKEN}")
    assert first.status_code == 303 and first.headers["location"] == "/?run=a"
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert browser.get("/").text == "the run"


def test_the_token_as_a_header() -> None:
    assert client(TOKEN).get("/", headers={"authorization": f"Bearer {TOKEN}"}).text == "the run"
    assert client(TOKEN).get("/", headers={"authorization": "Bearer no"}).status_code == 401


def test_the_redirect_stays_here() -> None:
    answer = client(TOKEN).get(f"http://127.0.0.1:8800//evil.example/x?token={TOKEN}")
    assert answer.headers["location"] == "/evil.example/x"
