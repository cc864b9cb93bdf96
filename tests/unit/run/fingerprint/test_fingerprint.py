"""What a resume compares: every field decided, every kind of content noticed, every difference named."""

import dataclasses
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from rl.config.errors import ConfigError
from rl.config.fields import leaf_paths, sections_of
from rl.config.load import load_as, load_config
from rl.config.roots import ROOTS
from rl.config.stages import SftConfig
from rl.records.model_files import base_fingerprint, tokenizer_fingerprint
from rl.run.fingerprint.code import code_fingerprint
from rl.run.fingerprint.config_fields import FREE, IDENTITY, decision, is_identity
from rl.run.fingerprint.config_values import identity_defaults, identity_values
from rl.run.fingerprint.data import rows_fingerprint
from rl.run.fingerprint.fingerprint import Fingerprint, check_accept, differences, refuse
from rl.run.fingerprint.of_run import algorithm_code
from rollout.types import Prompt


def prompt(**fields: Any) -> Prompt:
    return Prompt(**{"id": "a", "text": "1+1=", "token_ids": (1, 2), "answer": "2", **fields})


def of(things: dict[str, Any] | None = None, **settings: Any) -> Fingerprint:
    return Fingerprint(things=things or {}, settings=settings)


def of_config(*overrides: str) -> Fingerprint:
    config = load_config("debug", list(overrides))
    return Fingerprint(
        things={}, settings=identity_values(config), defaults=frozenset(identity_defaults(config))
    )


def names(old: Fingerprint, new: Fingerprint) -> list[str]:
    return [d.name for d in differences(old, new)]


def _leaves(root: type, prefix: str = "") -> list[str]:
    found = []
    for name, info in root.model_fields.items():  # type: ignore[attr-defined]
        sections = sections_of(info.annotation)
        inner = [leaf for section in sections for leaf in _leaves(section, f"{prefix}{name}.")]
        found += inner or [prefix + name]
    return found


@pytest.mark.parametrize("command", sorted(ROOTS))
def test_somebody_decided_about_every_field_of_every_config(command: str) -> None:
    undecided = [path for path in _leaves(ROOTS[command]) if decision(path) is None]
    assert not undecided, (
        "put each into IDENTITY or FREE of rl.run.fingerprint.config_fields: may a resume change it?"
    )


def test_a_field_that_nobody_decided_about_counts_and_no_name_is_dead_or_twice() -> None:
    assert decision("run.new_field") is None and is_identity("run.new_field")
    known = {path for root in ROOTS.values() for path in leaf_paths(root)}
    assert known >= IDENTITY | FREE
    assert not IDENTITY & FREE


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Prompt)])
def test_a_change_in_any_field_of_any_prompt_is_noticed_and_named(field: str) -> None:
    other = {
        "id": "b",
        "text": "1+2=",
        "token_ids": (1, 3),
        "answer": "3",
        "category": "sums",
        "difficulty": 2,
        "metadata": {"tests": ["x"]},
        "thinking_tags": ("<a>", "</a>"),
    }
    rows = [prompt(id="first"), prompt()]
    changed = [rows[0], dataclasses.replace(rows[1], **{field: other[field]})]
    before, after = rows_fingerprint(rows), rows_fingerprint(changed)
    assert [key for key in before if before[key] != after[key]] == [field]
    assert rows_fingerprint(rows[::-1]) != before, "the order counts"
    assert rows_fingerprint([prompt(id="first"), prompt()]) == before


def safetensors(path: Path, tensors: dict[str, bytes]) -> None:
    header, offset = {}, 0
    for name, data in tensors.items():
        header[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(tensors.values()))


def model(
    folder: Path, tensors: dict[str, bytes], *, split: bool = False, config: dict[str, Any] | None = None
) -> Path:
    folder.mkdir()
    for i, part in enumerate([{n: t} for n, t in tensors.items()] if split else [tensors]):
        safetensors(folder / f"model-{i}.safetensors", part)
    (folder / "config.json").write_text(
        json.dumps({"hidden_size": 4, "transformers_version": folder.name, **(config or {})})
    )
    return folder


@pytest.mark.parametrize("exact_bytes", [1 << 30, 0])
def test_a_base_is_known_by_its_weights_and_config_not_by_its_files(tmp_path: Path, exact_bytes: int) -> None:
    tensors = {"a": bytes(range(256)) * 1024, "b": b"\1" * 100}
    one = base_fingerprint(model(tmp_path / "one", tensors), exact_bytes=exact_bytes)
    assert base_fingerprint(model(tmp_path / "split", tensors, split=True), exact_bytes=exact_bytes) == one
    trained = {"a": bytes((x + 1) % 256 for x in tensors["a"]), "b": tensors["b"]}
    other = base_fingerprint(model(tmp_path / "trained", trained), exact_bytes=exact_bytes)
    assert other["weights"] != one["weights"] and other["config"] == one["config"]
    theta = base_fingerprint(
        model(tmp_path / "theta", tensors, config={"rope_theta": 2.0}), exact_bytes=exact_bytes
    )
    assert theta["weights"] == one["weights"] and theta["config"] != one["config"]


def test_a_small_base_is_compared_byte_by_byte(tmp_path: Path) -> None:
    weights = bytearray(300_000)
    one = base_fingerprint(model(tmp_path / "one", {"a": bytes(weights)}))
    weights[123_457] = 1
    assert base_fingerprint(model(tmp_path / "two", {"a": bytes(weights)})) != one


class Backend:
    def __init__(self, **rules: Any) -> None:
        self.rules = rules

    def to_str(self) -> str:
        return json.dumps(self.rules)


class FakeTokenizer:
    bos_token_id, eos_token_id, pad_token_id, unk_token_id = 0, 1, 1, None

    def __init__(self, vocabulary: dict[str, int], template: str | None = None, **rules: Any) -> None:
        self.vocabulary, self.chat_template, self.backend_tokenizer = vocabulary, template, Backend(**rules)

    def get_vocab(self) -> dict[str, int]:
        return self.vocabulary


def test_a_tokenizer_is_known_by_its_ids_its_rules_and_its_template() -> None:
    one = tokenizer_fingerprint(FakeTokenizer({"a": 0, "b": 1}, "{{x}}", merges=["a b"], padding=None))
    assert (
        tokenizer_fingerprint(FakeTokenizer({"b": 1, "a": 0}, "{{x}}", merges=["a b"], padding={"length": 4}))
        == one
    )
    changed = {
        "vocabulary": FakeTokenizer({"a": 1, "b": 0}, "{{x}}", merges=["a b"]),
        "splitting": FakeTokenizer({"a": 0, "b": 1}, "{{x}}", merges=[]),
        "chat_template": FakeTokenizer({"a": 0, "b": 1}, "{{y}}", merges=["a b"]),
    }
    for part, tokenizer in changed.items():
        assert [key for key, value in tokenizer_fingerprint(tokenizer).items() if one[key] != value] == [part]


def test_a_users_own_code_counts_wherever_a_setting_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_reward.py").write_text("def score(): return 1\n")
    (tmp_path / "other.py").write_text("X = 1\n")
    settings = {
        "verifier": "my_reward:score",
        "parts": [f"{tmp_path}/other.py:X"],
        "text": "time: now",
        "own": "rewards.maths:X",
    }
    before = code_fingerprint("math", settings)
    assert sorted(before) == sorted(["my_reward:score", f"{tmp_path}/other.py:X"])
    (tmp_path / "my_reward.py").write_text("def score(): return 2\n")
    after = code_fingerprint("math", settings)
    assert [name for name in before if before[name] != after[name]] == ["my_reward:score"]


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("algorithm.advantage=rloo", ["algorithm.advantage"]),
        ("learner.lr=1e-5", ["learner.lr"]),
        ("rollout.temperature=0.7", ["rollout.temperature"]),
        ("stream.rollouts_per_prompt=2", ["stream.rollouts_per_prompt"]),
        ("evaluation.num_prompts=4", ["evaluation.num_prompts"]),
        ("task.levels=[1]", ["task.levels"]),
        ("curriculum=knapsack", ["curriculum.allocator", "curriculum.name"]),
        ("task=gsm8k task.path=x.jsonl", ["task.kind"]),
        (
            (
                "run.steps=9 checkpoint.every=1 rollout.num_engines=2 cluster.num_cpus=9 tracker=none"
                " run.name=x verifiers.workers=2"
            ),
            [],
        ),
        (
            (
                "stream.max_staleness=3 learner.micro_batch_tokens=99 evaluation.every=1 resume=auto"
                " resume.accept=[data]"
            ),
            [],
        ),
    ],
)
def test_settings_that_make_the_run_what_it_is_differ_by_name(override: str, changed: list[str]) -> None:
    old, new = of_config(), of_config(*override.split())
    assert names(old, new) == changed
    assert names(old, old) == []


def test_a_section_that_came_or_went_is_one_difference() -> None:
    without, critic = (
        of_config("algorithm=grpo"),
        of_config("algorithm=grpo", "algorithm.advantage=gae", "algorithm.advantage.critic=shared"),
    )
    assert names(without, critic) == names(critic, without) == ["algorithm.advantage"]
    separate = of_config("algorithm=grpo", "algorithm.advantage=gae")
    assert names(separate, critic) == ["algorithm.advantage.critic"]
    off, on = of_config(), of_config("algorithm.kl.coefficient=0.1")
    assert names(off, on) == names(on, off) == ["algorithm.kl"]


def test_a_setting_that_an_older_version_did_not_know_counts_when_it_is_set() -> None:
    new = Fingerprint(things={}, settings={"task.new": 1, "task.old": 2}, defaults=frozenset({"task.new"}))
    assert names(of(**{"task.old": 2}), new) == []
    assert names(of(**{"task.old": 2}), dataclasses.replace(new, defaults=frozenset())) == ["task.new"]


def test_a_difference_names_old_and_new_and_the_way_to_accept_it(tmp_path: Path) -> None:
    old = Fingerprint(
        things={"data": {"number": 3, "answer": "aa"}},
        settings={"learner.lr": 1e-3},
        origins={"data": "a.jsonl"},
    )
    new = Fingerprint(
        things={"data": {"number": 3, "answer": "bb"}},
        settings={"learner.lr": 1e-4},
        origins={"data": "b.jsonl"},
    )
    with pytest.raises(ConfigError) as caught:
        refuse(differences(old, new), accept=[], run=tmp_path)
    message = str(caught.value)
    assert "data: was 3 rows, answer aa, from a.jsonl; now 3 rows, answer bb, from b.jsonl" in message
    assert "learner.lr: was 0.001; now 0.0001" in message and "resume.accept=[data,learner.lr]" in message
    with pytest.raises(ConfigError, match=r"resume\.accept=\[data,learner\.lr\]") as caught:
        refuse(differences(old, new), accept=["data"], run=tmp_path)
    assert "rows" not in str(caught.value), "what is accepted is not complained about"
    refuse(differences(old, new), accept=["data", "learner"], run=tmp_path)
    with pytest.raises(ConfigError, match="its state holds it") as caught:
        refuse(
            differences(old, new),
            accept=["data", "learner"],
            run=tmp_path,
            final={"learner.lr": "its state holds it"},
        )
    assert "resume.accept" not in str(caught.value)


def test_only_names_that_mean_something_are_accepted() -> None:
    fingerprint = of(**{"learner.lr": 1, "algorithm.kl.adaptive.target": 2})
    check_accept(["data", "learner", "learner.lr", "algorithm.kl"], fingerprint)
    with pytest.raises(ConfigError, match=r"'lerner\.lr' is nothing.*Did you mean 'learner\.lr'"):
        check_accept(["lerner.lr"], fingerprint)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    made = of({"data": {"number": 1}}, **{"task.levels": [1]})
    made.write(tmp_path / "fingerprint.json")
    assert Fingerprint.read(tmp_path / "fingerprint.json") == made
    assert Fingerprint.read(tmp_path / "absent.json") is None


def test_the_stages_fields_are_known_too() -> None:
    values = identity_values(load_as(SftConfig, "sft_quickstart", []))
    assert values["trainer.lr"] and "trainer.epochs" not in values and "data.path" not in values


def test_outside_parts_of_objective_and_learner_are_known_by_their_source(tmp_path: Path) -> None:
    assert algorithm_code(load_config("debug", [])) == {}
    mine = tmp_path / "mine.py"
    mine.write_text("def f(*arguments): return 1\n")
    config = load_config("debug", [f"algorithm.advantage={mine}:f", f"learner.schedule={mine}:g"])
    before = algorithm_code(config)
    assert set(before) == {f"{mine}:f", f"{mine}:g"}
    mine.write_text("def f(*arguments): return 2\n")
    after = algorithm_code(config)
    assert names(of({"algorithm_code": before}), of({"algorithm_code": after})) == ["algorithm_code"]
    assert names(of(), of({"algorithm_code": after})) == ["algorithm_code"]
