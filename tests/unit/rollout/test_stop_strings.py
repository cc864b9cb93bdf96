"""A stop string ends a sequence at the token that completes it, however the text falls into tokens."""

from pathlib import Path

import pytest

from rl.config.load import ConfigError, load_config
from rl.engines.actors import engine_config
from rollout.stop_strings import StopStrings, up_to_stop
from rollout.types import SamplingConfig
from rollout.vllm_args import stop_arguments
from rollout.vllm_outputs import SequenceRecord

PIECES = ["a", "b", " c", "\nQ", "uestion", ":", "", "é", "d e"]


def decode(ids: "list[int]") -> str:
    return "".join(PIECES[i] for i in ids)


@pytest.mark.parametrize(
    ("stops", "ids", "end"),
    [
        (["\nQuestion:"], [0, 1, 3, 4, 5, 0], 5),
        (["\nQuestion:"], [0, 1, 3, 4, 6, 6, 5, 0], 7),
        (["\nQuestion:"], [3, 3, 4, 0, 5], None),
        (["d"], [0, 8, 8], 2),
        (["b c", "é"], [0, 7, 1, 2], 2),
        (["b c", "é"], [0, 1, 2, 7], 3),
    ],
)
def test_the_end_is_the_same_token_by_token_and_all_at_once(
    stops: list[str], ids: list[int], end: int | None
) -> None:
    finder = StopStrings(stops, decode)
    assert finder.end(ids, len(ids)) == end
    one_by_one = [finder.end(ids[: i + 1], 1) for i in range(len(ids))]
    assert next((found for found in one_by_one if found is not None), None) == end


def test_a_long_sequence_is_read_at_its_end_only() -> None:
    read: list[int] = []

    def counted(ids: "list[int]") -> str:
        read.append(len(ids))
        return decode(ids)

    finder = StopStrings(["xyz"], counted)
    assert finder.end([0] * 1000, 1) is None and read == [7]


def test_text_in_front_of_the_first_stop() -> None:
    assert up_to_stop("one two three", ["three", "two"]) == "one "
    assert up_to_stop("one", ["two"]) == "one" and up_to_stop("one", []) == "one"


def test_a_record_is_cut_with_its_log_probs_and_spans() -> None:
    record = SequenceRecord(
        token_ids=[5, 6, 7, 8], logprobs=[-1.0, -2.0, -3.0, -4.0], span_starts=[(0, "3"), (3, "4")]
    )
    record.cut(3)
    done = record.completion("stop")
    assert done.token_ids.tolist() == [5, 6, 7] and done.behavior_logprobs.tolist() == [-1, -2, -3]
    assert [(s.start, s.end, s.policy_version) for s in done.spans] == [(0, 3, 3)]


def test_engines_are_told_and_an_empty_stop_string_is_refused() -> None:
    config = load_config("debug", ['rollout.stop=["#", "a b"]', "rollout.stop_token_ids=[3]"])
    told = engine_config(config, Path("m"))
    assert (told.stop, told.stop_token_ids) == (("#", "a b"), (3,))
    nothing = SamplingConfig()
    assert (
        stop_arguments(told, nothing)["stop"] == ["#", "a b"] and stop_arguments(told, nothing)["detokenize"]
    )
    silent = engine_config(load_config("debug"), Path("m"))
    assert stop_arguments(silent, nothing) == {"stop_token_ids": []}, (
        "nothing is read of what nobody asks for"
    )
    asked = SamplingConfig(stop=("Q:",), stop_token_ids=(7,))
    assert stop_arguments(told, asked)["stop"] == ["#", "a b", "Q:"]
    assert stop_arguments(told, asked)["stop_token_ids"] == [3, 7]
    assert stop_arguments(silent, asked)["stop"] == ["Q:"] and stop_arguments(silent, asked)["detokenize"]
    assert len({nothing.key, asked.key, SamplingConfig(stop=("7",)).key}) == 3
    with pytest.raises(ConfigError, match=r"rollout\.stop: an empty text would end every completion"):
        load_config("debug", ['rollout.stop=[""]'])
