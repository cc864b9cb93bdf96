"""``t2rl serve`` as users start it: Ray, the in-process vLLM with the nano base, the verifiers; over
loopback, ended by SIGINT. It is a cascade of two: one start serves a model alone and both together."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from rl.config.load import load_config
from rl.run.prepare.inputs import locate_model, prepare

ROOT = Path(__file__).parents[3]
TOKEN = "correct-horse"
BUDGET = 200
MAX_TOKENS = 16


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("serve")
    (directory / "token").write_text(TOKEN)
    (directory / "chat.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    rows = [
        {"id": "hard", "category": "gcd/L4", "strategy": "repeated_sampling", "k": 12},
        {"id": "easy", "category": "gcd/L1", "strategy": "repeated_sampling", "k": 2},
    ]
    (directory / "plan.json").write_text(json.dumps({"mode": "parallel", "queries": rows}))
    return directory


@pytest.fixture(scope="module")
def process(files: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running service and its address; interrupted at the end, which must be clean."""
    base = locate_model(load_config("debug"))
    small, large = (shutil.copytree(base, files / name) for name in ("nano", "copy"))
    options = [
        "--cascade",
        str(large),
        "--agree",
        "2",
        "--plan",
        str(files / "plan.json"),
        "--reward",
        "reasoning_gym",
        "--token-file",
        str(files / "token"),
    ]
    options += [
        "--chat-template",
        str(files / "chat.jinja"),
        "--name",
        "both",
        "--port",
        "0",
        "--budget-tokens",
        str(BUDGET),
    ]
    command = [sys.executable, "-m", "rl.cli", "serve", str(small), "debug", "rollout.cores=null", *options]
    service = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ))
    watchdog = threading.Timer(300, service.kill)
    watchdog.start()
    assert service.stderr is not None
    said = ""
    while not (found := re.search(r"serving both, a cascade of 2, at (\S+) ", said)):
        line = service.stderr.readline()
        assert line, f"the service ended: {said}"
        said += line
    reader = threading.Thread(target=lambda: said_later.append(service.stderr.read()), daemon=True)
    said_later: list[str] = []
    reader.start()
    yield service, found[1]
    service.send_signal(signal.SIGINT)
    status = service.wait(60)
    watchdog.cancel()
    reader.join(10)
    service.stderr.close()
    assert status == 0, said_later
    assert "Traceback" not in said + "".join(said_later)


@pytest.fixture(scope="module")
def items() -> list[Any]:
    return prepare(load_config("debug")).eval_prompts


def ask(address: str, **fields: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body = {"model": "nano"} | fields
    response = httpx.post(f"{address}/completions", json=body, headers=headers, timeout=60, trust_env=False)
    assert response.status_code == 200, response.text
    return response.json()


def test_requests_at_once_keep_their_budgets_and_plans(process: Any, items: list[Any]) -> None:
    _, address = process

    def one(number: int) -> dict[str, Any]:
        item = items[number % len(items)]
        hints = {"id": ("hard", "easy")[number % 2], "answer": item.answer, "metadata": dict(item.metadata)}
        return ask(address, prompt=list(item.token_ids), seed=number, t2rl=hints)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, range(16)))
    for number, answer in enumerate(answers):
        usage, facts = answer["usage"], answer["t2rl"]
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] <= BUDGET
        assert facts["k"] == (12, 2)[number % 2] and 1 <= facts["samples"] <= facts["k"]
        assert facts["strategy"] == "repeated_sampling" and facts["accepted"] != facts["fallback"]
        assert usage["completion_tokens"] <= facts["samples"] * MAX_TOKENS
    health = httpx.get(address.removesuffix("/v1") + "/health", trust_env=False).json()
    assert health["done"] >= 16 and health["tokens"] >= sum(a["usage"]["total_tokens"] for a in answers)


def test_the_real_verifier_decides(process: Any, items: list[Any]) -> None:
    """Greedy answers are accepted if they are right, and also if the reference says what they say."""
    _, address = process
    claims = 0
    for item in [item for item in items if item.metadata["dataset"] in ("chain_sum", "count_bits")]:
        hints = {"answer": item.answer, "metadata": dict(item.metadata)}
        first = ask(address, prompt=item.text, temperature=0, t2rl=hints)
        text, ended = first["choices"][0]["text"], first["choices"][0]["finish_reason"] == "stop"
        said = text.rpartition("#")[2].strip() if "#" in text and ended else ""
        assert first["t2rl"]["accepted"] == (said == item.answer)
        entry = {"answer": said, "metadata": item.metadata["entry"]["metadata"]}
        again = ask(
            address,
            prompt=item.text,
            temperature=0,
            t2rl={"answer": said, "metadata": hints["metadata"] | {"entry": entry}},
        )
        assert again["choices"][0]["text"] == text and again["t2rl"]["accepted"] == bool(said)
        claims += bool(said)
    assert claims, "the base never commits to an answer: nothing was tested"


def test_a_cascade_asks_the_second_model_where_the_first_is_not_taken(process: Any, items: list[Any]) -> None:
    _, address = process
    found: dict[tuple[str, bool], int] = Counter()
    for number, item in enumerate(items):
        judged = {"answer": item.answer, "metadata": dict(item.metadata)}
        # Near temperature 0 two samples agree, at 1 those of a base that knows little do not.
        asks = [("verifier", 1.0, judged), ("agreement", 0.05, {}), ("agreement", 1.0, {})]
        for gate, temperature, hints in asks:
            answer = ask(
                address,
                model="both",
                prompt=list(item.token_ids),
                seed=number,
                temperature=temperature,
                t2rl=hints | {"budget_tokens": 180},
            )
            facts, usage = answer["t2rl"], answer["usage"]
            taken = facts["rungs"][0]["taken"]
            assert facts["strategy"] == "cascade" and facts["rungs"][0]["gate"] == gate
            assert taken == (len(facts["rungs"]) == 1) and facts["accepted"] == facts["rungs"][-1]["taken"]
            assert (facts["model"] == "nano") == (facts["rung"] == 1)
            spent = sum(r["prompt_tokens"] + r["completion_tokens"] for r in facts["rungs"])
            assert usage["total_tokens"] == spent <= 180 and facts["flops"] > 0
            found[gate, taken] += 1
    assert found["agreement", True] and found["agreement", False] and found["verifier", False], found


@pytest.fixture
def client(process: Any) -> Iterator[Callable[[str], openai.OpenAI]]:
    """Make OpenAI clients with a token; all are closed at the end."""
    made: list[openai.OpenAI] = []

    def _client(token: str) -> openai.OpenAI:
        direct = openai.DefaultHttpxClient(trust_env=False)
        made.append(openai.OpenAI(base_url=process[1], api_key=token, http_client=direct, max_retries=0))
        return made[-1]

    yield _client
    for one in made:
        one.close()


def test_the_openai_client_understands_it(client: Callable[[str], openai.OpenAI], items: list[Any]) -> None:
    ours = client(TOKEN)
    assert [model.id for model in ours.models.list()] == ["both", "nano", "copy"]
    text = items[0].text
    completion = ours.completions.create(
        model="nano", prompt=text, max_tokens=8, extra_body={"t2rl": {"id": "easy"}}
    )
    assert completion.usage is not None and completion.usage.total_tokens <= BUDGET
    assert completion.model_extra is not None and completion.model_extra["t2rl"]["strategy"] == "majority"
    messages: Any = [{"role": "user", "content": text}]
    chat = ours.chat.completions.create(model="nano", messages=messages, max_completion_tokens=8, seed=1)
    assert isinstance(chat.choices[0].message.content, str) and chat.choices[0].finish_reason in (
        "stop",
        "length",
    )
    with pytest.raises(openai.BadRequestError, match="n: this request gets one answer, planned"):
        ours.completions.create(model="nano", prompt=text, n=3)
    with pytest.raises(openai.NotFoundError):
        ours.completions.create(model="gpt", prompt=text)
    with pytest.raises(openai.AuthenticationError):
        client("x").models.list()


PLAIN = {"t2rl": {"strategy": "none"}}


def test_samples_as_drawn_with_n_stop_and_streams(
    client: Callable[[str], openai.OpenAI], items: list[Any]
) -> None:
    ours, text = client(TOKEN), items[0].text
    whole = ours.completions.create(model="nano", prompt=text, n=4, seed=3, extra_body=PLAIN)
    texts = [choice.text for choice in whole.choices]
    assert len(set(texts)) > 1 and [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    assert whole.usage is not None and 4 <= whole.usage.completion_tokens <= 4 * MAX_TOKENS

    said = dict.fromkeys(range(4), "")
    usage, pieces = None, 0
    for chunk in ours.completions.create(
        model="nano",
        prompt=text,
        n=4,
        seed=3,
        stream=True,
        stream_options={"include_usage": True},
        extra_body=PLAIN,
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            said[choice.index], pieces = said[choice.index] + choice.text, pieces + 1
    assert list(said.values()) == texts, "the same draws, piece by piece"
    assert pieces > 4 and usage is not None and usage.total_tokens == whole.usage.total_tokens

    stop = next(letter for letter in texts[0][1:] if letter.strip())
    cut = ours.completions.create(model="nano", prompt=text, n=4, seed=3, stop=[stop], extra_body=PLAIN)
    assert [choice.text for choice in cut.choices] == [one.split(stop)[0] for one in texts]
    assert cut.choices[0].finish_reason == "stop"

    messages: Any = [{"role": "user", "content": text}]
    chat = ours.chat.completions.create(
        model="nano", messages=messages, stream=True, logprobs=True, top_logprobs=2, extra_body=PLAIN
    )
    deltas = [chunk.choices[0] for chunk in chat]
    assert deltas[0].delta.role == "assistant" and deltas[-1].finish_reason in ("stop", "length")
    tokens = [token for one in deltas if one.logprobs for token in one.logprobs.content or ()]
    # The text leaves out special tokens, which a tiny model draws in the middle now and then.
    spelt = re.sub("<[a-z]+>", "", "".join(token.token for token in tokens))
    assert spelt == "".join(one.delta.content or "" for one in deltas)
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens)


def test_log_likelihoods_as_lm_eval_asks_for_them(process: Any, items: list[Any]) -> None:
    """The log-likelihood requests of its ``local-completions``, field by field: several prompts of token ids,
    scored by echo. Those for texts have ``stop`` besides, which the test above sends."""
    _, address = process
    ids = [list(item.token_ids) for item in items[:3]]
    fields = {"temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True}
    answer = ask(address, prompt=ids, **fields, **PLAIN)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    for prompt, choice in zip(ids, answer["choices"], strict=True):
        logprobs = choice["logprobs"]
        values, likeliest = logprobs["token_logprobs"], logprobs["top_logprobs"]
        assert len(values) == len(likeliest) == len(prompt) + 1 and values[0] is None
        assert all(
            value <= max(top.values()) + 1e-6 for value, top in zip(values[1:], likeliest[1:], strict=True)
        )
        assert values[-1] == max(likeliest[-1].values()), "the sampled one is greedy"
    one = ask(address, prompt=ids[0], **fields, **PLAIN)["choices"][0]["logprobs"]["token_logprobs"]
    assert one[1:] == pytest.approx(answer["choices"][0]["logprobs"]["token_logprobs"][1:], abs=1e-4)
