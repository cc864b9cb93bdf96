"""The same two programs in every language that is installed: one is right, the other adds one."""

import os
import shutil
import subprocess

import pytest

from rewards.code.languages import find_language, load_languages
from tests.integration.code.conftest import Judge

PACKAGES = {"lua": "lua5.4", "r": "r-base-core", "ocaml": "ocaml-nox", "fortran": "gfortran"}
"""Debian's, installed here where that is possible."""
ROW = {"tests": [{"stdin": "3\n1 2 3\n", "stdout": "6\n"}, {"stdin": "1\n-7\n", "stdout": "-7\n"}]}
SUMS = {
    "python": "n = int(input())\nprint(sum(map(int, input().split())) + @)",
    "c": (
        "#include <stdio.h>\nint main(void){int"
        ' n,x,s=@;scanf("%d",&n);while(n--){scanf("%d",&x);s+=x;}printf("%d\\n",s);}'
    ),
    "cpp": (
        "#include <iostream>\nint main(){int"
        " n,x,s=@;std::cin>>n;while(n--){std::cin>>x;s+=x;}std::cout<<s<<std::endl;}"
    ),
    "rust": (
        "use std::io::*;\nfn main(){let mut t=String::new();stdin().read_to_string(&mut t).unwrap();"
        'let s:i64=t.split_whitespace().skip(1).map(|x|x.parse::<i64>().unwrap()).sum();println!("{}",s+@);}'
    ),
    "java": (
        "import java.util.*;\npublic class Sum { public static void main(String[] a){ Scanner in = new"
        " Scanner(System.in);int n = in.nextInt(), s = @; while (n-- > 0) s += in.nextInt();"
        " System.out.println(s); } }"
    ),
    "javascript": (
        "const t=require('fs').readFileSync(0,'utf8').split(/\\s+/).filter(x=>x).map(Number);"
        "console.log(t.slice(1).reduce((a,b)=>a+b,@));"
    ),
    "typescript": (
        "const t: number[] = require('fs').readFileSync(0,'utf8').split(/\\s+/).filter((x:"
        " string)=>x).map(Number);console.log(t.slice(1).reduce((a,b)=>a+b,@));"
    ),
    "perl": "my $n=<STDIN>; my $s=@; $s+=$_ for split ' ',<STDIN>; print \"$s\\n\";",
    "tcl": "gets stdin n\nset s @\nforeach x [split [string trim [gets stdin]]] { incr s $x }\nputs $s",
    "bash": "read n\nread -a xs\ns=@\nfor x in ${xs[*]}; do s=$((s + x)); done\necho $s",
    "awk": "NR==2 { s=@; for (i=1;i<=NF;i++) s+=$i; print s }",
    "lua": (
        "io.read('n')\nlocal s = @\nwhile true do local x = io.read('n'); if not x then break end; s = s + x"
        " end\nprint(s)"
    ),
    "r": "x <- scan(file('stdin'), quiet=TRUE)\ncat(sum(x[-1]) + @, '\\n', sep='')",
    "ocaml": (
        'let n = Scanf.scanf " %d" (fun x -> x)\nlet s = ref (@)\n'
        'let () = for _ = 1 to n do s := !s + Scanf.scanf " %d" (fun x -> x) done; Printf.printf "%d\\n" !s'
    ),
    "fortran": (
        "program p\ninteger :: n, s\ninteger, allocatable :: x(:)\nread *, n\nallocate(x(n))\nread *, x\ns ="
        " sum(x) + @\nprint '(I0)', s\nend program"
    ),
    "julia": "readline()\nprintln(sum(parse.(Int, split(readline()))) + @)",
    "go": (
        'package main\nimport "fmt"\nfunc main(){var n,x'
        " int;s:=@;fmt.Scan(&n);for;n>0;n--{fmt.Scan(&x);s+=x};fmt.Println(s)}"
    ),
}


@pytest.fixture(scope="session", autouse=True)
def debian_packages() -> None:
    missing = [PACKAGES[name] for name in PACKAGES if shutil.which(find_language(name).programs()[0]) is None]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
        subprocess.run(
            command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, check=False
        )


def test_every_language_has_programs() -> None:
    assert set(SUMS) == {language.name for language in load_languages().values()}


@pytest.mark.parametrize("name", SUMS)
def test_a_right_and_a_wrong_program(name: str, judge: Judge) -> None:
    programs = find_language(name).programs()
    absent = [program for program in programs if shutil.which(program) is None]
    row = {**ROW, "language": name}
    if absent:
        with pytest.raises(ValueError, match=f"{name} needs .*{absent[0]}"):
            judge("x", row)
        pytest.skip(f"{name} was not run: {' and '.join(absent)} not installed")
    right, wrong = (SUMS[name].replace("@", value) for value in ("0", "1"))
    assert judge(f"```{name}\n{right}\n```", row).correct
    assert judge(wrong, row).reason == "wrong answer on test 1"
