"""What `t2rl doctor` says of the sandbox."""

import pytest

from rl.commands.doctor.sandbox import sandbox as check


def test_it_names_the_layers(sandbox):
    found = check()
    assert found.status == ("warn" if sandbox.missing() else "ok")
    assert found.found == sandbox.describe()
    assert found.found.startswith("bubblewrap ") and "limits by" in found.found


def test_it_says_how_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    found = check()
    assert found.status == "warn" and "apt-get install bubblewrap" in found.remedy
