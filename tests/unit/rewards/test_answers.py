"""Where the final answer is."""

import pytest

from rewards.answers import TAIL, extract_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{42}.", "42"),
        (r"\boxed{41} no wait \boxed{42}", "42"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\fbox{7}", "7"),
        (r"\boxed{1} then \boxed{2", "1"),
        (r"\boxed{2} \text{ and } \boxed{3}", "2, 3"),
        (r"\boxed{2}, $\boxed{2}$", "2"),
        (r"\boxed{}", ""),
        ("#### 72", "72"),
        ("#### 72\n\nQuestion: another one?", "72"),
        ("#### Step 2: add\n3 + 4 = 7\n#### 7", "7"),
        ("#### Step 2: add\nso \\boxed{7}\n#### Remarks\nnone", "7"),
        ("<answer> 5 </answer>", "5"),
        ("<ANSWER>4</ANSWER> or <answer>5</answer>", "5"),
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
        ("so it costs $1,234.50 in total", "1,234.50"),
        ("x = 5", "x = 5"),
        ("2/4", "2/4"),
        ("Hence \\(x^2\\).", "x^2"),
        ("yes", "yes"),
        ("version AZ2K", None),
        ("It is certainly not 42, though.", None),
        ("the answer is 41 or 42", None),
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
