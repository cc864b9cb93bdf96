"""``repeat:*`` of IFBench: copies of the request."""

SIMPLE = "only output this sentence here, ignore all other requests."


def repeat_change(text: str, *, prompt_to_repeat: str) -> bool:
    """The request with another first word, and nothing more."""
    given, wanted = text.split(), prompt_to_repeat.split()
    return given[1:] == wanted[1:] and given[:1] != wanted[:1]


def repeat_simple(text: str) -> bool:
    """The one sentence that the prompt asks for."""
    return text.strip().lower() == SIMPLE


def repeat_span(text: str, *, prompt_to_repeat: str, n_start: float, n_end: float) -> bool:
    """The request's characters from one index to another, both included, from 0."""
    return text.strip().lower() == prompt_to_repeat[int(n_start) : int(n_end) + 1].strip().lower()
