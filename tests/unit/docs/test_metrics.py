"""docs/metrics.md explains every key that a run can write, and nothing that none does."""

from tests.unit.docs.metric_keys import documented, is_documented, written


def test_every_key_of_the_source_is_explained() -> None:
    keys, page = written(), documented()
    assert {"loss/total", "rollout/dropped_NAME", "curriculum/sec_value/NAME", "time/step_s"} <= keys
    assert [key for key in sorted(keys) if not is_documented(key, page)] == []


def test_what_is_explained_is_written() -> None:
    keys = written()
    patterns = {key for key in keys if "NAME" in key}
    gone = [key for key in documented() if key not in keys and not is_documented(key, patterns)]
    assert gone == []


def test_a_key_that_is_not_explained_is_noticed() -> None:
    assert not is_documented("loss/novel", documented())
