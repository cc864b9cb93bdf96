"""What is refused, with which status and words; the queue, the clock, the token."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from rl.engines.errors import EngineLost
from rl.serve.gate import Gate
from rl.stream.waiting import StreamTimeout
from tests.unit.serve.scripted import Characters, Engine, service

ASK = {"model": "toy", "prompt": "2+2="}
PLAIN = {"t2rl": {"strategy": "none"}}


def refused(app: Any, path: str = "/v1/completions", **fields: Any) -> tuple[int, dict[str, Any]]:
    body = {key: value for key, value in (ASK | fields).items() if value != "left out"}
    response = TestClient(app).post(path, json=body)
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return response.status_code, error


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"n": 2}, "n", '{"strategy": "none"}'),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 129} | PLAIN, "n", "less than or equal to 128"),
        ({"logprobs": 0}, "logprobs", '{"strategy": "none"}'),
        ({"logprobs": 21} | PLAIN, "logprobs", "less than or equal to 20"),
        ({"logprobs": True} | PLAIN, "logprobs", "integer"),
        ({"echo": True}, "echo", "--strategy none"),
        ({"stop": ["\n", ""]}, "stop", "at most 16 texts"),
        ({"stop": ["x"] * 17}, "stop", "at most 16 texts"),
        ({"stream": 1}, "stream", "boolean"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "needs stream=true"),
        ({"stream": True, "stream_options": {"usage": 1}}, "stream_options.usage", "no such field"),
        ({"best_of": 3} | PLAIN, "best_of", "t2rl.strategy"),
        ({"max_tokens": 0} | PLAIN, "max_tokens", "echo=true"),
        ({"t2rl": {"strategy": "none", "answer": 4}}, "t2rl.answer", "judges nothing"),
        ({"n": 3, "t2rl": {"strategy": "none", "budget_tokens": 33}}, "max_tokens", "may take 34 tokens"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "not served"),
        ({"max_tokens": 0}, "max_tokens", "greater than 0"),
        ({"max_tokens": "9"}, "max_tokens", "integer"),
        ({"max_tokens": 97}, "max_tokens", "do not fit into the model's 100"),
        ({"temperature": -1}, "temperature", "greater than or equal to 0"),
        ({"temperature": 0.001}, "temperature", "at least 0.01"),
        ({"top_p": 0}, "top_p", "greater than 0"),
        ({"temprature": 1}, "temprature", "no such field"),
        ({"model": "left out"}, "model", "required"),
        ({"prompt": ""}, "prompt", "nothing to continue"),
        ({"prompt": []}, "prompt", "nothing to continue"),
        ({"prompt": ["a", "b"]}, "prompt", "as they are drawn"),
        ({"prompt": ["a"] * 257} | PLAIN, "prompt", "at most 256"),
        ({"prompt": ["a", ""]} | PLAIN, "prompt", "nothing to continue"),
        ({"stream": True, "prompt": "x" * 100}, "prompt", "do not fit"),
        ({"prompt": [5, 256]}, "prompt", "outside 0..255"),
        ({"prompt": "x" * 100}, "prompt", "do not fit"),
        ({"t2rl": {"k": 9}}, "t2rl.k", "no such field"),
        ({"t2rl": {"strategy": "guess"}}, "t2rl.strategy", "repeated_sampling"),
        (
            {"t2rl": {"strategy": "repeated_sampling"}},
            "t2rl.strategy",
            "neither t2rl.answer nor t2rl.metadata",
        ),
        ({"t2rl": {"metadata": {}}}, "t2rl.answer", "compares with it"),
        ({"t2rl": {"budget_tokens": 0}}, "t2rl.budget_tokens", "greater than 0"),
        ({"t2rl": {"answer": True}}, "t2rl.answer", "a text or a number"),
        ({"t2rl": {"metadata": [1]}}, "t2rl.metadata", "an object"),
        ({"prompt": [True]}, "prompt", "one text, or one list of token ids"),
        ({"prompt": "left out"}, "prompt", "one text"),
    ],
)
def test_bad_requests_name_the_field(fields: dict[str, Any], param: str, words: str) -> None:
    engine = Engine(["4"])
    status, error = refused(service(engine, reward="exact").app, **fields)
    assert status == 400 and error["type"] == "invalid_request_error"
    assert error["param"] == param and words in error["message"]
    assert not engine.requests


def test_neutral_values_of_fields_that_are_not_served_pass() -> None:
    neutral = {
        "n": 1,
        "stream": False,
        "stop": "",
        "logprobs": None,
        "echo": False,
        "frequency_penalty": 0.0,
        "user": "u",
        "best_of": 1,
    }
    assert (
        TestClient(service(Engine(["4"])).app).post("/v1/completions", json=ASK | neutral).status_code == 200
    )


def test_what_the_reward_misses_is_said() -> None:
    status, error = refused(service(Engine(["4"]), reward="ifeval").app, t2rl={"metadata": {}})
    assert status == 400 and error["param"] == "t2rl.metadata"
    status, error = refused(
        service(Engine(["4"]), reward="json_schema").app, t2rl={"metadata": {"schema": 5}}
    )
    assert status == 400 and "a JSON schema is an object" in error["message"]


def test_strategies_need_their_judges() -> None:
    _, error = refused(service(Engine(["4"])).app, t2rl={"strategy": "best_of_n"})
    assert "no --reward" in error["message"]
    with pytest.raises(ValueError, match="--strategy repeated_sampling: it needs a reward"):
        service(Engine(["4"]), strategy="repeated_sampling")
    with pytest.raises(ValueError, match="form only"):
        service(Engine(["4"]), reward="repetition", strategy="repeated_sampling")


def test_chats_need_a_template_that_takes_them() -> None:
    answered = {"prompt": "left out", "messages": [{"role": "assistant", "content": "4"}]}
    status, error = refused(service(Engine(["4"])).app, "/v1/chat/completions", **answered)
    assert (
        status == 400
        and "the last one is the assistant's" in error["message"]
        and "continue_final_message=true" in error["message"]
    )
    chat = answered | {"continue_final_message": True}
    assert "refuses" in refused(service(Engine(["4"])).app, "/v1/chat/completions", **chat)[1]["message"]
    bare = service(Engine(["4"]), tokenizer=Characters(chat_template=None)).app
    assert "--chat-template" in refused(bare, "/v1/chat/completions", **chat)[1]["message"]


def test_other_models_routes_and_bodies() -> None:
    app = service(Engine(["4"]), max_body=300).app
    assert refused(app, model="gpt")[0] == 404
    client = TestClient(app)
    assert client.get("/v1/completions").status_code == 405
    assert client.get("/v1/nowhere").json()["error"]["type"] == "not_found_error"
    assert (
        client.post("/v1/completions", content=b"{").json()["error"]["message"].startswith("body: not JSON")
    )
    assert client.post("/v1/completions", content=b"[]").status_code == 400
    for body in (
        b"[" * 200,
        b"\xff",
        rb'{"model": "toy", "prompt": "\ud800"}',
        b'{"model": "toy", "prompt": "?", "temperature": NaN}',
    ):
        assert (
            client.post("/v1/completions", content=body)
            .json()["error"]["message"]
            .startswith("body: not JSON")
        )
    assert refused(app, prompt="x" * 300)[0] == 413
    chunks = client.post("/v1/completions", content=iter([b"x" * 200, b"x" * 200]))
    assert chunks.status_code == 413, "without a length, too"


def test_models_and_health() -> None:
    client = TestClient(service(Engine(["4"])).app)
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list" and [m["id"] for m in listed["data"]] == ["toy"]
    assert (
        client.get("/v1/models/toy").json()["owned_by"] == "t2rl"
        and client.get("/v1/models/gpt").status_code == 404
    )
    used = client.post("/v1/completions", json=ASK).json()["usage"]["total_tokens"]
    health = client.get("/health").json()
    assert health == {"status": "ok", "model": "toy", "running": 0, "waiting": 0, "done": 1, "tokens": used}


def test_the_token_is_needed_everywhere_but_for_health() -> None:
    client = TestClient(service(Engine(["4"]), token="secret").app)
    assert client.get("/health").status_code == 200
    for wrong in ({}, {"Authorization": "Bearer other"}, {"Authorization": "secret"}):
        assert client.post("/v1/completions", json=ASK, headers=wrong).status_code == 401
        assert client.get("/v1/models", headers=wrong).json()["error"]["code"] == "invalid_api_key"
    right = client.post("/v1/completions", json=ASK, headers={"Authorization": "Bearer secret"})
    assert right.status_code == 200
    assert not [name for name in right.headers if name.startswith("access-control")]


def test_failures_of_engines_and_of_ours() -> None:
    def failing(error: Exception) -> Any:
        async def fail() -> None:
            raise error

        app = service(Engine(["4"], wait=fail)).app
        return TestClient(app, raise_server_exceptions=False).post("/v1/completions", json=ASK)

    lost = failing(EngineLost("engine 0 died"))
    assert (lost.status_code, lost.headers["retry-after"]) == (503, "1")
    assert failing(StreamTimeout("waited 60 s for rewards")).status_code == 504
    ours = failing(RuntimeError("secret path"))
    assert (
        ours.status_code == 500
        and "secret" not in ours.text
        and ours.json()["error"]["type"] == "server_error"
    )


def test_a_full_queue_is_503_and_the_waiting_are_served() -> None:
    async def scenario() -> tuple[list[int], httpx.Response, dict[str, Any]]:
        release = asyncio.Event()
        gate = Gate(parallel=1, waiting=1, timeout_s=5)
        app = service(Engine(["4"], wait=release.wait), gate=gate).app
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            first = [asyncio.create_task(client.post("/v1/completions", json=ASK)) for _ in range(2)]
            while gate.admitted_now < 2:
                await asyncio.sleep(0)
            health = (await client.get("/health")).json()
            third = await client.post("/v1/completions", json=ASK)
            release.set()
            return [response.status_code for response in await asyncio.gather(*first)], third, health

    served, third, health = asyncio.run(scenario())
    assert served == [200, 200] and (health["running"], health["waiting"]) == (1, 1)
    assert (third.status_code, third.headers["retry-after"], third.json()["error"]["code"]) == (
        503,
        "1",
        "queue_full",
    )


def test_time_is_up_for_the_working_and_the_waiting() -> None:
    async def scenario() -> tuple[list[int], int, bool]:
        cancelled = []

        async def hang() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        gate = Gate(parallel=1, waiting=1, timeout_s=0.1)
        app = service(Engine(["4"], wait=hang), gate=gate).app
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            answers = await asyncio.gather(*(client.post("/v1/completions", json=ASK) for _ in range(2)))
        return [a.status_code for a in answers], gate.admitted_now, bool(cancelled)

    assert asyncio.run(scenario()) == ([504, 504], 0, True)


def test_a_client_that_hangs_up_takes_its_request_along() -> None:
    async def scenario() -> tuple[int, int]:
        gate, started, gone = Gate(parallel=1, waiting=0, timeout_s=5), asyncio.Event(), asyncio.Event()
        cancelled = asyncio.Event()

        async def hang() -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        app = service(Engine(["4"], wait=hang), gate=gate).app
        messages = iter([{"type": "http.request", "body": json.dumps(ASK).encode(), "more_body": False}])

        async def receive() -> Any:
            if (message := next(messages, None)) is not None:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/completions",
            "headers": [],
            "query_string": b"",
            "app": app,
        }
        task = asyncio.create_task(app(scope, receive, send))
        await started.wait()
        gone.set()
        await task
        assert cancelled.is_set()
        return sent[0]["status"], gate.admitted_now

    assert asyncio.run(scenario()) == (499, 0)
