"""Instruction following: the constraint kinds of IFEval and IFBench, written from their published
descriptions.

A kind is one small function in a file of its family and one line in :data:`rewards.ifeval.kinds.KINDS`. A
checker takes the text and keyword-only arguments by the published names, whose annotations (``float``,
``str``, ``Sequence[str]``) say what the instruction accepts; it is called with text that has at least one
character that is no white space, and raises nothing.
"""
