"""Parts of a reward: the form of a text, its length, its language, and answers that are no maths.

Each works alone as ``task.reward`` or as a component of a rubric (``rewards.rubric.rubric``). Two kinds:

* *verdicts* say whether a completion is right; full marks are 1.
* *form only* components (attribute ``form_only``) say what a completion's form costs, at most 0; they are
  never ``correct``, so a task cannot be judged by them alone.
"""
