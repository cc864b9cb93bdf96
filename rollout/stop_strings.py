"""Where a sampled sequence ends because its text holds a stop string.

An engine that hands out tokens alone has to read their text for that. What ends is the list of tokens: all
that were sampled, up to the one that completes the stop string, so that what is trained is what was sampled.
"""

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]
SPARE = 4
"""Tokens that are decoded in front of a stop string's own: a decoder may drop the first one's space."""


class StopStrings:
    """Finds the first of some texts in the tokens of one sequence after the other.

    Args:
        stops: None of them empty.
        decode: Token ids to text, special tokens included.

    Example: with ``stops=["b c"]`` and tokens for ``a``, ``b``, ``c``, ``d``, the sequence ends after three.
    """

    def __init__(self, stops: Sequence[str], decode: Decode) -> None:
        self._stops, self._decode = tuple(stops), decode
        # Every token of a stop string brings one byte of it at least.
        self._window = max(len(stop.encode()) for stop in stops) + SPARE

    def end(self, token_ids: Sequence[int], new: int) -> int | None:
        """Number of tokens at the end of which a stop string is complete; None if there is none.

        Args:
            token_ids: All tokens of the sequence so far.
            new: How many of them, at the end, have not been looked at.
        """
        for count in range(len(token_ids) - new + 1, len(token_ids) + 1):
            text = self._decode(token_ids[max(0, count - self._window) : count])
            if any(stop in text for stop in self._stops):
                return count
        return None


def up_to_stop(text: str, stops: Sequence[str]) -> str:
    """The text in front of the first stop string."""
    places = [at for stop in stops if (at := text.find(stop)) >= 0]
    return text[: min(places)] if places else text
