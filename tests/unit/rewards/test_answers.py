"""Where the final answer is."""

from typing import Any

import pytest

from rewards.maths.extract import TAIL, extract_answer, extract_reference


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{41} no wait \boxed{42}", "42"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\fbox{7}", "7"),
        (r"\boxed{1} then \boxed{2", None),
        (r"x = \boxed 5$", "5"),
        (r"$\boxed\frac12$", r"\frac12"),
        (r"\boxed{4}, not \boxed{5}", "4"),
        (r"It is not \boxed{5}.", None),
        (r"\boxed{5} is wrong.", None),
        (r"\boxed{5}. Wait, no.", None),
        (r"$-\boxed{5}$", None),
        (r"\boxed{5} million", "5 million"),
        ("##### 7\nso \\boxed{5}", "5"),
        (r"\boxed{2} \text{ and } \boxed{3}", "2, 3"),
        (r"\boxed{2}, $\boxed{2}$", "2"),
        (r"\boxed{}", ""),
        ("#### 72", "72"),
        ("#### 72\n\nQuestion: another one?", "72"),
        ("#### Step 2: add\n3 + 4 = 7\n#### 7", "7"),
        ("#### Step 2: add\nso \\boxed{7}\n#### Remarks\nnone", "7"),
        ("<answer> 5 </answer>", "5"),
        ("<ANSWER>4</ANSWER> or <answer>5</answer>", "4, 5"),
        ("<answer>4</answer> no, <answer>5</answer>", "5"),
        (r"\boxed{4} or \boxed{5}", "4, 5"),
        (r"\boxed{4} or maybe \boxed{5}", None),
        (r"\boxed{4}. Perhaps even \boxed{5}", "4, 5"),
        (r"\boxed{4}. Or rather, \boxed{5}", "5"),
        (r"\boxed{4}. Then \boxed{5}", "5"),
        (r"\boxed{4} or 5", "4, 5"),
        (r"4 or \boxed{5}", "4, 5"),
        (r"x = 1/5, or \boxed{20\%}", r"20\%"),
        (r"\boxed{4 \text{ or } \boxed{5}}", r"4 \text{ or } , {5}"),
        (r"\boxed{x = \boxed{5}}", "x = {5}"),
        (r"\boxed{4 \boxed{5}}", "4 , {5}"),
        ("so \\\\boxed{5}", "5"),
        ("\\boxed{5}<|im_end|></s>\n", "5"),
        ("#### 5<|endoftext|>", "5"),
        ("<answer>5</answer> but #### 6", "6"),
        ("#### 6 but <answer>5</answer>", "5"),
        (r"<answer>\boxed{5}</answer>", "5"),
        (r"<think>\boxed{1}</think> \boxed{2}", "2"),
        (r"\boxed{9}" + "x" * TAIL, None),
    ],
)
def test_the_last_commitment_counts(text: str, answer: str | None) -> None:
    found = extract_answer(text)
    assert (found.text if found else None) == answer
    assert found is None or found.committed


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 42 apples, not 41.", "42"),
        ("Answer: 42", "42"),
        ("**Answer:** 42", "42"),
        ("A: 42", "42"),
        ("The answer is $\\frac{1}{2}$ since 1 + 1 = 2.", "\\frac{1}{2}"),
        ("One might guess 42, but the correct answer is 43.", "43"),
        ("First 12 + 30.\nSo she has 42 apples.\nGreat!", "42"),
        ("so it costs $1,234.50 in total", "$1,234.50"),
        ("It is 5 feet long.", "5 feet"),
        ("The largest $n$ is 34.", "34"),
        ("The final answer: the sum of $a$ and 2 is 5.", "5"),
        ("The answer is 12 + 30 = 42 apples.", "12 + 30 = 42"),
        ("Hence $$\n x^2 \n$$", "x^2"),
        ("Hence $ \n 9 \n $", None),
        ("Soucis : 2,74 $ a..", "2,74 $"),
        ("either 41 or maybe 42", "41, 42"),
        ("the answer is $41$ or $42$", "41, 42"),
        ("The answer is blue or 42", None),
        ("The answer is 42 or so", None),
        ("Possible answers: 40, 41, 42", "40, 41, 42"),
        ("40\n41\n42", "40, 41, 42"),
        ("2x = 10\nx = 5", "x = 5"),
        ("The answer is yes, because 3 is odd.", "yes"),
        ("The answer is B because 5 > 3.", "B"),
        ("The correct choice is (B).", "(B)"),
        ("The answer is (B) 12 apples", "(B) 12 apples"),
        ("The answer is B or C.", "B or C"),
        ("41\n$42$", "41, 42"),
        ("It is not $42$.", None),
        ("It is 42^\\circ or 43.", "42^\\circ, 43"),
        ("so 5.4 \\text{ cents}", "5.4 cents"),
        ("12 and 30 make 42.", "42"),
        ("x = 5", "x = 5"),
        ("2/4", "2/4"),
        ("Hence \\(x^2\\).", "x^2"),
        ("yes", "yes"),
        ("The answer is at least 7.", None),
        ("The answer is 3 out of 8.", None),
        ("The answer is 2k+2.", "2k+2"),
        ("The answer is 3:30 PM.", "3:30 PM"),
        ("There is no solution.", "no solution"),
        ("I do not think the answer is 7.", None),
        ("It is certainly not 42, though.", None),
        ("the answer is 41 or 42", "41, 42"),
        ("I do not know.\nSorry.", None),
        ("I think\n\\boxed{42", None),
        ("42 it is <answer>42", None),
        ("<think>42</think>", None),
        ("<think>it is 42", None),
        ("", None),
    ],
)
def test_last_words_count_where_nothing_is_committed(text: str, answer: str | None) -> None:
    found = extract_answer(text)
    assert (found.text if found else None) == answer
    assert found is None or not found.committed


@pytest.mark.parametrize(
    ("extraction", "text", "answer"),
    [
        ("latex", "so $x = 5$, that is 7 apples", "x = 5"),
        ("latex", "so 7 apples", None),
        ("latex", r"$5$ or \boxed{6}", "$5$, 6"),
        ("strict", "the answer is 42", None),
        ("strict", "#### 42", "42"),
        ("boxed", "#### 42", None),
        ("boxed", r"\boxed{41} #### 42", "41"),
    ],
)
def test_what_counts_can_be_narrowed(extraction: Any, text: str, answer: str | None) -> None:
    found = extract_answer(text, extraction)
    assert (found.text if found else None) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("  42 ", "42"),
        (r"\boxed{42}", "42"),
        ("He has 5 * 7 = <<5*7=35>>35\nA: 35", "35"),
        ("5 * 7 = 35\n#### 35", "35"),
        (r"Solving yields $x=1/5$ or $\boxed{20}$ percent", "20"),
        (r"$$\boxed{2}, \boxed{3}$$", "2, 3"),
        ("5 or 6", "5 or 6"),
        ("I do not know", "I do not know"),
    ],
)
def test_references(text: str, answer: str) -> None:
    assert extract_reference(text) == answer
