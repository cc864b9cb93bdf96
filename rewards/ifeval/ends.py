"""``startend:*`` and ``combination:*`` of IFEval: how a response begins and ends, and two tasks at once."""


def end_checker(text: str, *, end_phrase: str) -> bool:
    """Ends with the phrase; case, white space and quotation marks around the text aside."""
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def quotation(text: str) -> bool:
    """All of it is between ASCII double quotation marks."""
    stripped = text.strip()
    return len(stripped) > 1 and stripped[0] == stripped[-1] == '"'


def constrained_start(text: str, *, starter: str) -> bool:
    """Some line begins with the phrase."""
    return any(line.lstrip().startswith(starter) for line in text.split("\n"))


def repeat_prompt(text: str, *, prompt_to_repeat: str) -> bool:
    """Begins with the request, case aside."""
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def two_responses(text: str) -> bool:
    """Two different responses with ``******`` between them, at will also before the first and after the
    second."""
    parts = [part.strip() for part in text.split("******")]
    if not all(parts[1:-1]):
        return False
    responses = [part for part in parts if part]
    return len(responses) == 2 and responses[0] != responses[1]
