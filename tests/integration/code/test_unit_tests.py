"""Tests inside the program: right programs pass, and no early end, patch or printed verdict does."""

import shutil
from typing import Any

import pytest

from rewards.code.languages import find_language
from tests.integration.code.conftest import Judge

CPP = {
    "language": "cpp",
    "code_prompt": "#include <vector>\nusing namespace std;\nint add(int a, int b){\n",
    "tests": (
        "#undef NDEBUG\n#include <assert.h>\nint main(){\n  assert(add(1, 2) == 3);\n  assert(add(-1, 1) =="
        " 0);\n}\n"
    ),
}
JAVA = {
    "language": "java",
    "code_prompt": "import java.util.*;\nclass Solution {\n    public int add(int a, int b) {\n",
    "tests": (
        "public class Main {\n  public static void main(String[] args) {\n"
        "    if (new Solution().add(1, 2) != 3) throw new AssertionError();\n  }\n}\n"
    ),
}
RUST = {
    "language": "rust",
    "code_prompt": "fn main(){}\nfn add(a: i32, b: i32) -> i32 {\n",
    "tests": (
        "#[cfg(test)]\nmod tests {\n  use super::*;\n  #[test]\n  fn test_add() {\n    assert_eq!(add(1, 2),"
        " 3);\n  }\n}\n"
    ),
}
JS = {
    "language": "javascript",
    "code_prompt": "const add = (a, b) => {\n",
    "tests": (
        "const test = () => {\n  console.assert(JSON.stringify([add(1, 2)]) ==="
        " JSON.stringify([3]))\n}\ntest()\n"
    ),
}
PERL = {
    "language": "perl",
    "code_prompt": "sub add {\n    my($a, $b) = @_;\n",
    "tests": (
        "use Test::Deep;\nsub testhumaneval {\n  my $candidate = \\&add;\n  if(eq_deeply($candidate->(1,"
        ' 2),3)) {\n  print "ok!" }else{\n  exit 1;\n  }\n}\ntesthumaneval();'
    ),
}
BASH = {
    "language": "bash",
    "code_prompt": "#!/bin/bash\nadd() {\n",
    "tests": (
        '}\ncandidate() {\n    add "$@"\n}\nset -e\nrun_test() {\n    [[ $(candidate "1" "2") = "3"'
        " ]]\n}\nrun_test\n"
    ),
}
LUA = {
    "language": "lua",
    "code_prompt": "local function add(a, b)\n",
    "tests": (
        "lu = require('luaunit')\nfunction test_humaneval()\nlocal candidate = add\n   "
        " lu.assertEquals(candidate(1, 2), 3)\n    lu.assertEquals({candidate(0, 0)},"
        " {0})\nend\nos.exit(lu.LuaUnit.run())"
    ),
}
RIGHT: list[tuple[dict[str, Any], str]] = [
    (CPP, "  return a + b;\n}\n"),
    (CPP, "  return a + b;\n}\nint main() { return add(1, 1); }\n"),
    (JAVA, "        return a + b;\n    }\n}\n"),
    (
        JAVA,
        "```java\npublic class Solution {\n  public int add(int a, int b) {\n    return a + b;\n  }\n}\n```",
    ),
    (RUST, "    a + b\n}\n"),
    (JS, "  return a + b;\n}\n"),
    (PERL, "    return $a + $b;\n}\n"),
    (BASH, "    echo $(($1 + $2))\n"),
    (LUA, "    return a + b\nend\n"),
]
WRONG: list[tuple[dict[str, Any], str]] = [
    (CPP, "  return 3;\n}\n"),
    (CPP, "  return 3;\n}\nstruct E { E() { _Exit(0); } } e;\n#include <stdlib.h>\n"),
    (CPP, '  __builtin_printf("PASSED\\n"); __builtin_exit(0);\n}\n'),
    (
        CPP,
        '  return 0;\n}\nextern "C" void __assert_fail(const char*, const char*, unsigned, const char*) {}\n',
    ),
    (
        CPP,
        (
            '  return 0;\n}\nextern "C" void __wrap___assert_fail(const char*, const char*, unsigned, const'
            " char*) {}\n"
        ),
    ),
    (CPP, "  return 0;\n}\n#define assert(x)\n"),
    (CPP, "  return 0;\n}\nint ma\\\nin() {}\n/*"),
    (CPP, "  return 0;\n}\n#define main() main() { return 0; } int rest()\n"),
    (CPP, "  return 0;\n}\n#define /* */ ma\\\nin() main() { return 0; } int rest()\n"),
    (CPP, "  return 0;\n}\n%: define if(x) if (0)\n"),
    (
        CPP,
        (
            "  return 0;\n}\n#pragma redefine_extname main other\n"
            'int mine() __asm__("main");\nint mine() { return 0; }\n'
        ),
    ),
    (JAVA, "        return 0;\n    }\n}\n"),
    (JAVA, "        if (true) System.exit(0);\n        return 0;\n    }\n}\n"),
    (RUST, "    0\n}\n"),
    (RUST, "    std::process::exit(0)\n}\n"),
    (RUST, "    0\n}\nmacro_rules! assert_eq { ($($x:tt)*) => {} }\n"),
    (RUST, "    0\n}\npub mod tests { pub fn test_add() {} }\n#[cfg(any())]\n"),
    (JS, "  return 0;\n}\n"),
    (JS, "  process.exit(0);\n}\n"),
    (JS, "  return 0;\n}\nconsole.assert = () => {};\n"),
    (JS, "  return 0;\n}\nJSON.stringify = () => 'x';\n"),
    (JS, "  return [0];\n}\nArray.prototype.toJSON = () => 1;\n"),
    (JS, "  return 0;\n}\nconsole.log('PASSED'); process.exitCode = 0; process.exit();\n"),
    (PERL, "    return 0;\n}\n"),
    (PERL, "    exit(0);\n}\n"),
    (PERL, "    return 0;\n}\n__END__\n"),
    (PERL, "    return 0;\n}\nprint @_; print $text; exit 0;\n"),
    (BASH, "    echo 0\n"),
    (BASH, "    echo 0\n}\nexit 0\nf() {\n"),
    (BASH, "    echo 0\n}\nreturn 0\nf() {\n"),
    (LUA, "    return 0\nend\n"),
    (LUA, "    os.exit(0)\nend\n"),
    (LUA, "    return 0\nend\ndo return end\n"),
    (LUA, '    return 0\nend\nprint(string.dump(debug.getinfo(1, "f").func)) os.exit(0)\n'),
    (LUA, '    return 0\nend\nprint(("").dump(require("debug").getinfo(1, "f").func)) os.exit(0)\n'),
]


def need(row: dict[str, Any]) -> None:
    for program in find_language(row["language"]).programs():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@pytest.mark.parametrize(("row", "code"), RIGHT)
def test_right_programs_pass(row: dict[str, Any], code: str, judge: Judge) -> None:
    need(row)
    result = judge(code, row)
    assert (result.correct, result.reason) == (True, "")


@pytest.mark.parametrize(("row", "code"), WRONG)
def test_wrong_programs_fail_however_they_end(row: dict[str, Any], code: str, judge: Judge) -> None:
    need(row)
    result = judge(code, row)
    assert (result.value, result.correct) == (0.0, False)
    assert result.reason
