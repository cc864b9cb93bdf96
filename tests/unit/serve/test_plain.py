"""Samples as they are drawn: n, stop, logprobs, echo, several prompts, and both ways of streaming."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from rl.engines.errors import EngineLost
from rl.serve.gate import Gate
from rl.serve.text import StopTexts, TextStream
from rollout.streaming import StreamRequest, TokenDelta
from tests.unit.serve.scripted import Characters, Engine, scored, service

STOP = st.text("ab;\n", min_size=1, max_size=4)
CHAT = {"messages": [{"role": "user", "content": "2+2"}]}


def post(engine: Engine, path: str = "/v1/completions", **fields: Any) -> dict[str, Any]:
    body = {"model": "toy"} | ({} if "messages" in fields else {"prompt": "2+2="}) | fields
    response = TestClient(service(engine, strategy="none").app).post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def events(text: str) -> list[dict[str, Any]]:
    """The objects of an event stream, which must end as OpenAI's do."""
    lines = [line for line in text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines) and lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def streamed(engine: Engine, path: str = "/v1/completions", **fields: Any) -> list[dict[str, Any]]:
    body = {"model": "toy", "stream": True} | ({} if "messages" in fields else {"prompt": "2+2="}) | fields
    response = TestClient(service(engine, strategy="none").app).post(path, json=body)
    assert response.status_code == 200 and response.headers["content-type"].startswith("text/event-stream")
    return events(response.text)


def test_n_samples_of_every_prompt_in_order() -> None:
    engine = Engine(["4", "five", "6", "7"])
    answer = post(engine, prompt=["2+2=", "2+3="], n=2, max_tokens=3)
    assert [c["index"] for c in answer["choices"]] == [0, 1, 2, 3]
    assert sorted(c["text"] for c in answer["choices"]) == ["4", "6", "7", "fiv"]
    assert {c["text"]: c["finish_reason"] for c in answer["choices"]}["fiv"] == "length"
    assert [r.prompt_token_ids[2] for r in engine.requests] == [ord("2"), ord("2"), ord("3"), ord("3")]
    assert len({r.seeds for r in engine.requests}) == 4, "every sample has a seed of its own"
    assert answer["usage"] == {"prompt_tokens": 8, "completion_tokens": 3 + 2 * 3, "total_tokens": 17}
    assert answer["t2rl"] == {"strategy": "none", "samples": 4}


def test_a_seed_fixes_the_draws() -> None:
    seeds = []
    for seed in (7, 7, 8):
        engine = Engine(["4"])
        post(engine, seed=seed, n=3)
        seeds.append([r.seeds for r in engine.requests])
    assert seeds[0] == seeds[1] != seeds[2]


def test_a_stop_text_ends_a_sample_and_takes_it_off_the_engine() -> None:
    engine = Engine(["one, two; three"])
    answer = post(engine, stop=["; ", "two!"], max_tokens=20)
    (choice,) = answer["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("one, two", "stop")
    assert engine.steps == len("one, two; "), "nothing is sampled behind it"
    assert answer["usage"]["completion_tokens"] == len("one, two; ")


def test_planned_answers_stop_too() -> None:
    engine = Engine(["4\nso", "4\nbut"])
    app = service(engine, samples=4).app
    body = {"model": "toy", "prompt": "2+2=", "stop": "\n"}
    answer = TestClient(app).post("/v1/completions", json=body).json()
    assert answer["choices"][0]["text"] == "4" and answer["t2rl"]["strategy"] == "majority"
    assert answer["usage"]["completion_tokens"] == 4 * 2


def test_log_probs_with_echo_as_evaluations_read_them() -> None:
    """The request of lm-eval's local-completions: log-likelihoods of a continuation inside the prompt."""
    ids = [ord(c) for c in "2+2=4"]
    answer = post(Engine(["5"]), prompt=[ids], max_tokens=1, logprobs=1, echo=True, temperature=0)
    (choice,) = answer["choices"]
    logprobs = choice["logprobs"]
    assert choice["text"] == "2+2=45"
    assert logprobs["tokens"] == ["2", "+", "2", "=", "4", "5"] and logprobs["text_offset"] == list(range(6))
    assert logprobs["token_logprobs"][0] is None and logprobs["top_logprobs"][0] is None
    assert logprobs["token_logprobs"][4:-1] == [pytest.approx(-ord("4") / 100)]
    assert set(logprobs["top_logprobs"][4]) == {"4", "5"}
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}


def test_max_tokens_0_scores_the_prompt_alone() -> None:
    answer = post(Engine(["5"]), max_tokens=0, logprobs=0, echo=True)
    (choice,) = answer["choices"]
    assert choice["text"] == "2+2=" and choice["logprobs"]["tokens"] == ["2", "+", "2", "="]
    assert all(len(top) == 1 for top in choice["logprobs"]["top_logprobs"][1:])
    assert answer["usage"]["completion_tokens"] == 0


def test_the_end_token_has_a_log_prob_and_no_text_and_a_stop_has_neither() -> None:
    assert post(Engine(["4"]), logprobs=0)["choices"][0]["logprobs"]["tokens"] == ["4", ""]
    cut = post(Engine(["4;5"]), logprobs=0, stop=";")["choices"][0]
    assert (cut["text"], cut["logprobs"]["tokens"]) == ("4", ["4"])


def test_a_chat_has_its_log_probs_in_another_shape() -> None:
    fields = CHAT | {"logprobs": True, "top_logprobs": 2, "n": 2}
    answer = post(Engine(["4"]), "/v1/chat/completions", **fields)
    assert [c["message"]["content"] for c in answer["choices"]] == ["4", "4"]
    first = answer["choices"][0]["logprobs"]["content"][0]
    assert (first["token"], first["bytes"]) == ("4", [52]) and len(first["top_logprobs"]) == 2
    assert post(Engine(["4"]), "/v1/chat/completions", **CHAT)["choices"][0]["logprobs"] is None


def test_a_stream_has_the_same_text_in_pieces() -> None:
    chunks = streamed(Engine(["four", "5"]), n=2, logprobs=0, stream_options={"include_usage": True})
    assert {c["object"] for c in chunks} == {"text_completion"} and len({c["id"] for c in chunks}) == 1
    usage = chunks.pop()
    assert usage["choices"] == [] and usage["usage"]["completion_tokens"] == 7
    texts, reasons = {0: "", 1: ""}, {}
    for chunk in chunks:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["text"]
        assert "".join(choice["logprobs"]["tokens"]) == choice["text"]
        if choice["finish_reason"]:
            reasons[choice["index"]] = choice["finish_reason"]
    assert sorted(texts.values()) == ["5", "four"] and reasons == {0: "stop", 1: "stop"}
    assert len(chunks) >= 6, "piece by piece"


def test_a_streamed_chat_begins_with_its_role_and_holds_a_possible_stop_back() -> None:
    chunks = streamed(Engine(["a<b<end>c"]), "/v1/chat/completions", **CHAT, stop="<end>")
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [d["content"] for d in deltas[1:] if d] == ["a", "<b"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_a_planned_answer_is_streamed_once_it_is_chosen() -> None:
    app = service(Engine(["4"]), samples=4).app
    body = {"model": "toy", **CHAT, "stream": True, "stream_options": {"include_usage": True}}
    chunks = events(TestClient(app).post("/v1/chat/completions", json=body).text)
    assert [c["choices"][0]["delta"] for c in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": "4"},
        {},
    ]
    assert chunks[-2]["t2rl"]["strategy"] == "majority" and chunks[-1]["usage"]["completion_tokens"] == 8


def test_errors_before_the_first_piece_have_a_status_and_later_ones_an_event() -> None:
    async def lost() -> None:
        raise EngineLost("engine 0 died")

    body = {"model": "toy", "prompt": "2+2=", "stream": True}
    before = TestClient(service(Engine(["4"], wait=lost), strategy="none").app).post(
        "/v1/completions", json=body
    )
    assert before.status_code == 503 and before.headers["retry-after"] == "1"

    class Dying(Engine):
        async def stream(self, request: Any) -> Any:
            async for deltas in super().stream(request):
                yield deltas
                raise EngineLost("engine 0 died")

    after = TestClient(service(Dying(["four"]), strategy="none").app).post("/v1/completions", json=body)
    first, error = events(after.text)
    assert after.status_code == 200 and first["choices"][0]["text"] == "f"
    assert error["error"]["code"] == "engine_lost"


def test_time_runs_out_while_a_stream_runs_and_its_place_is_given_back() -> None:
    async def scenario() -> tuple[int, int]:
        async def hang() -> None:
            await asyncio.Event().wait()

        gate = Gate(parallel=1, waiting=1, timeout_s=0.1)
        app = service(Engine(["4"], wait=hang), gate=gate, strategy="none").app
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            body = {"model": "toy", "prompt": "?", "stream": True}
            status = (await client.post("/v1/completions", json=body)).status_code
        return status, gate.admitted_now

    assert asyncio.run(scenario()) == (504, 0)


@given(
    text=st.text("ab;\n", max_size=30), stops=st.lists(st.text("ab;\n", min_size=1, max_size=4), max_size=3)
)
@settings(deadline=None)
def test_stops_in_pieces_are_those_of_the_whole(text: str, stops: list[str]) -> None:
    reader, said, met = StopTexts(stops), "", False
    for at, letter in enumerate(text):
        new, met = reader.add(letter, last=at == len(text) - 1)
        said += new
        if met:
            break
    found = [(text.index(stop) + len(stop), text.index(stop)) for stop in stops if stop in text]
    assert met == bool(found)
    assert said == (text if not found else text[: min(at for end, at in found if end == min(found)[0])])


def test_characters_of_several_tokens_come_whole() -> None:
    def decode(batch: Any) -> list[str]:
        return [bytes(ids).decode("utf-8", errors="replace") for ids in batch]

    reader, text = TextStream(decode), "aé€😀b"
    pieces = [reader.add([byte]) for byte in text.encode()]
    assert "".join(pieces) == text and "\ufffd" not in "".join(pieces)
    assert reader.add([0xE2]) == "" and reader.rest() == "\ufffd", (
        "what never became whole is said at the end"
    )


def test_without_a_strategy_of_the_service_a_request_may_ask_for_it() -> None:
    app = service(Engine(["4", "5"]), reward="exact").app
    body = {"model": "toy", "prompt": "2+2=", "n": 2, "t2rl": {"strategy": "none"}}
    answer = TestClient(app).post("/v1/completions", json=body).json()
    assert sorted(c["text"] for c in answer["choices"]) == ["4", "5"]
    assert Characters().batch_decode([[52]]) == ["4"]


def test_a_client_that_leaves_a_stream_takes_its_sample_off_the_engine() -> None:
    closed = []

    class Endless(Engine):
        async def stream(self, request: StreamRequest) -> AsyncGenerator[list[TokenDelta], None]:
            try:
                while True:
                    await asyncio.sleep(0)
                    yield [TokenDelta(index=0, tokens=scored([52], 0))]
            finally:
                closed.append(request.group.group_id)

    async def scenario() -> tuple[int, int]:
        gate, left = Gate(parallel=1, waiting=0, timeout_s=5), asyncio.Event()
        app = service(Endless(["4"]), gate=gate, strategy="none").app
        body = json.dumps({"model": "toy", "prompt": "?", "stream": True}).encode()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        sent: list[Any] = []

        async def receive() -> Any:
            if (message := next(messages, None)) is not None:
                return message
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) == 5:
                left.set()

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/completions",
            "headers": [],
            "query_string": b"",
        }
        await asyncio.wait_for(app(scope | {"app": app}, receive, send), 5)
        return len(closed), gate.admitted_now

    assert asyncio.run(scenario()) == (1, 0)
