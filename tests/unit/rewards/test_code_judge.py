"""Languages, rows, perturbation and judging against a fake sandbox."""

from pathlib import Path

import pytest

from rewards.code.compiler import Built, Compiler
from rewards.code.languages import find_language, limits_of, load_languages
from rewards.code.linked import FunctionTests
from rewards.code.perturb import literal_calls, perturb_calls, perturb_text
from rewards.code.programs import Case, judge_program
from rewards.code.rows import read_tests
from rewards.code.unit_tests import Suite, judge_unit_tests
from rewards.code.verdict import Verdict
from rewards.sandbox.base import Job, Limits, Outcome, Step, Stop


def outcome(
    stdout: bytes = b"", code: int = 0, stop: Stop = Stop.EXIT, files: dict[str, bytes] | None = None
) -> Outcome:
    return Outcome(
        stop=stop,
        exit_code=code,
        stdout=stdout,
        stderr=b"",
        wall_s=1.0,
        cpu_s=0.1,
        peak_mib=1.0,
        files=files or {},
    )


class FakeSandbox:
    """Upper-cases stdin; compilers leave what they should; keeps the jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, job: Job) -> list[Outcome]:
        self.jobs.append(job)
        return [self.step(job, step) for step in job.steps]

    def step(self, job: Job, step: Step) -> Outcome:
        if step.keeps_changes:
            broken = any(b"broken" in content for content in job.files.values())
            return outcome(code=int(broken), files={} if broken else dict.fromkeys(step.collect, b"binary"))
        if step.stdin == b"hang":
            return outcome(stop=Stop.WALL)
        return outcome(step.stdin.upper(), code=9 if step.stdin == b"nine" else 0)

    def run_linked(self, tested: Job, tester: Job) -> tuple[list[Outcome], list[Outcome]]:
        raise NotImplementedError


BUILT = Built(files={"p": b""}, run=("./p",), env={}, limits=Limits())


def test_programs_are_judged_in_growing_jobs_and_up_to_the_first_failure() -> None:
    sandbox = FakeSandbox()
    cases = [Case(stdin=f"a{i}", stdout=f"A{i}\n") for i in range(10)]
    assert judge_program(sandbox, BUILT, cases, tolerance=0, partial=False, total_s=60) == Verdict(10, 10)
    assert [len(job.steps) for job in sandbox.jobs] == [1, 3, 6]
    assert not any(step.keeps_changes for job in sandbox.jobs for step in job.steps)
    cases[1] = Case(stdin="x", stdout="y")
    sandbox.jobs.clear()
    verdict = judge_program(sandbox, BUILT, cases, tolerance=0, partial=False, total_s=60)
    assert (verdict, len(sandbox.jobs)) == (Verdict(1, 10, "wrong answer on test 2"), 2)


def test_partial_credit_goes_on_and_time_in_total_is_bounded() -> None:
    cases = [
        Case(stdin="hang", stdout=""),
        Case(stdin="nine", stdout="NINE"),
        Case(stdin="nine", stdout="NINE", exit_code=9),
    ]
    verdict = judge_program(FakeSandbox(), BUILT, cases, tolerance=0, partial=True, total_s=60)
    assert verdict == Verdict(1, 3, "timeout on test 1")
    cases = [Case(stdin="a", stdout="A")] * 9
    assert (
        judge_program(FakeSandbox(), BUILT, cases, tolerance=0, partial=False, total_s=4.5).reason
        == "timeout after 5 tests"
    )


def test_a_source_is_compiled_once_failures_included() -> None:
    sandbox = FakeSandbox()
    compiler = Compiler(sandbox)
    first, second = (compiler.build(find_language("c++"), "int main(){}") for _ in range(2))
    assert first == second
    assert isinstance(first, Built)
    assert first.files == {"program": b"binary"}
    assert [compiler.build(find_language("cpp"), "broken") for _ in range(2)] == ["compile error"] * 2
    assert len(sandbox.jobs) == 2


def test_java_files_are_named_after_their_public_class() -> None:
    java = find_language("Java")
    assert java.source_name("import x;\npublic final class Foo {") == ("Foo.java", "Foo")
    assert java.source_name("class A {}") == ("Main.java", "Main")


def test_unit_tests_need_the_proof_and_tests() -> None:
    cpp = find_language("cpp")
    sandbox = FakeSandbox()
    verdict = judge_unit_tests(sandbox, Compiler(sandbox), cpp, "", Suite(text="int main(){}"))
    assert verdict.reason == "ended before the last test"  # the proof came back in capitals
    with pytest.raises(ValueError, match="no rust test function"):
        judge_unit_tests(
            sandbox, Compiler(sandbox), find_language("rust"), "", Suite(text="/* #[test] fn a() {} */")
        )
    with pytest.raises(ValueError, match="awk has no unit_tests"):
        judge_unit_tests(sandbox, Compiler(sandbox), find_language("awk"), "", Suite(text="x"))


def test_every_shipped_language_loads_with_its_harness() -> None:
    for language in load_languages().values():
        assert language.programs()
        assert set(language.harness()) == set(language.unit_tests.files if language.unit_tests else {})
        limits_of(language.limits, language.compile_limits)


def test_own_languages_come_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("aliases: [my]\nfile: p.my\nrun: [my, p.my]\nversion: [my, -v]\n")
    assert find_language("MY", str(tmp_path)).run == ("my", "p.my")
    (tmp_path / "bad.yaml").write_text("file: p\nrun: [x]\nversion: [x]\ncompile: [c]\n")
    with pytest.raises(ValueError, match=r"bad.yaml: artifacts is empty"):
        load_languages.__wrapped__(str(tmp_path))
    (tmp_path / "bad.yaml").write_text("file: p\nrun: [x]\nversion: [x]\nspeed: 3\n")
    with pytest.raises(ValueError, match=r"(?s)bad.yaml: .*speed"):
        load_languages.__wrapped__(str(tmp_path))
    with pytest.raises(ValueError, match="'nolang' is unknown; use one of"):
        find_language("nolang")
    with pytest.raises(ValueError, match="the fields are"):
        limits_of({"speed": 1})


def test_tests_are_read_in_the_shapes_of_data_sets() -> None:
    io = (Case(stdin="1", stdout="2"),)
    for tests in (
        [{"stdin": "1", "stdout": "2"}],
        [{"input": "1", "output": "2"}],
        {"inputs": ["1"], "outputs": ["2"]},
    ):
        assert read_tests({"tests": tests}, "tests", "python", None) == io
    calls = {"inputs": [[1, [2]]], "outputs": [[True]], "fn_name": "f"}
    found = read_tests({"tests": calls}, "tests", "python", None)
    assert found == FunctionTests(
        style="calls", entry_point="f", tests=[{"args": [1, [2]], "kwargs": {"d": []}, "expected": True}]
    )
    assert read_tests({"tests": '[{"stdin": "1", "stdout": "2"}]'}, "tests", "python", None) == io
    assert read_tests({"tests": "int main(){}"}, "tests", "cpp", None) == Suite(text="int main(){}")
    script = read_tests(
        {"tests": "def check(c): ...", "entry_point": "f", "prompt": "import os\ndef f():\n"},
        "tests",
        "python",
        None,
    )
    listed = read_tests(
        {"tests": ["x = 1", "def check(c): ..."], "entry_point": "f"}, "tests", "python", None
    )
    assert (listed.style, listed.tests) == ("script", "x = 1\ndef check(c): ...")
    with pytest.raises(ValueError, match="is no Python"):
        read_tests({"tests": ["assert f( == 1"], "entry_point": "f"}, "tests", "python", None)
    assert script == FunctionTests(
        style="script", tests="def check(c): ...", entry_point="f", prelude="import os\n"
    )


@pytest.mark.parametrize("tests", [[], "", {}, {"inputs": [1]}, [1], [{"stdin": ""}, "x"]])
def test_tests_of_no_known_shape_are_an_error(tests: object) -> None:
    with pytest.raises(ValueError, match="tests"):
        read_tests({"tests": tests}, "tests", "python", None)


def test_perturbed_inputs_are_new_reproducible_and_alike() -> None:
    given = [[[1, 2, 3], "ab"], [[9, 4], "cd"]]
    found = perturb_calls(given, 5, "seed")
    assert len(found) == 5
    assert found == perturb_calls(given, 5, "seed")
    assert not [args for args in found if args in given]
    assert all(
        isinstance(args[0], list) and set(args[0]) <= {1, 2, 3, 4, 9} and set(args[1]) <= set("abcd")
        for args in found
    )
    assert perturb_text(["3\n1 2 3\n"], 2, "seed") == perturb_text(["3\n1 2 3\n"], 2, "seed")
    assert all(
        sorted(text.split("\n")[1]) == sorted("1 2 3") for text in perturb_text(["3\n1 2 3\n"], 3, "s")
    )
    assert perturb_text(["3\n1 2\n"], 2, "seed") == []


def test_calls_with_literal_arguments_are_found_in_tests() -> None:
    text = "def check(candidate):\n    assert candidate([1], 'x') == f(2)\n    assert f(y) == g(3)\n"
    assert sorted(literal_calls(text, {"candidate", "f"}), key=repr) == [[2], [[1], "x"]]
    assert literal_calls("not python(", {"f"}) == []
