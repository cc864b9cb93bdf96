"""A block without garbage collections leaves the collector as it was."""

import gc

import pytest

from rollout.collector import collector_off


def test_the_collector_is_off_inside_and_as_before_outside() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="inside"), collector_off():
        assert not gc.isenabled()
        raise ValueError("inside")
    assert gc.isenabled()


def test_one_inside_another_does_not_switch_it_on() -> None:
    with collector_off():
        with collector_off():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
