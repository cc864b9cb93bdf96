"""Text to token ids and back, for everything that reads or writes text: the one place that knows about
special tokens.

Three kinds of text differ in the special tokens that belong around them:

- a **prompt** is continued, so what a tokenizer adds in front (the start token) belongs there once, and what
  it adds behind (an end token) never does. A text that begins with the start token brings its own; what a
  chat template has written is complete.
- a **completion** stands behind a prompt: nothing belongs in front, the end token behind.
- a **sequence** is read as a whole by a classifier: all that its tokenizer adds, once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from rollout.stop_strings import up_to_stop

Decode = Callable[[Sequence[Sequence[int]]], list[str]]


class TextTokenizer(Protocol):
    """The methods of a transformers tokenizer that encoding needs."""

    def __call__(self, text: Sequence[str], *, add_special_tokens: bool = True) -> Mapping[str, Any]:
        """``input_ids``: one list of token ids per text."""
        ...


def prompt_ids(
    tokenizer: TextTokenizer, texts: Sequence[str], *, from_template: bool
) -> list[tuple[int, ...]]:
    """Token ids of prompts.

    Args:
        tokenizer: The policy's.
        texts: The prompts.
        from_template: True where the tokenizer's chat template wrote the texts; the ids are then those of
            ``apply_chat_template(tokenize=True)``.

    Example: a tokenizer that makes ``<s> hi </s>`` of ``"hi"`` gives ``<s> hi`` for ``"hi"`` and for
    ``"<s>hi"``.
    """
    ids = bare_ids(tokenizer, texts)
    if from_template or not ids:
        return [tuple(one) for one in ids]
    front, _ = added_tokens(tokenizer)
    return [tuple(one) if tuple(one[: len(front)]) == front else (*front, *one) for one in ids]


def completion_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text as a policy would have sampled them: nothing in front, the end token behind.

    Raises:
        ValueError: The tokenizer has no end token.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise ValueError(
            "the tokenizer has no eos_token, so nothing could say where a completion ends; set one and"
            " save it"
        )
    return [ids if ids and ids[-1] == end else [*ids, end] for ids in bare_ids(tokenizer, texts)]


def sequence_ids(tokenizer: TextTokenizer, texts: Sequence[str], *, max_length: int) -> list[list[int]]:
    """Token ids of whole texts for a classifier; of longer ones the end, behind what the tokenizer puts in
    front."""
    front, behind = added_tokens(tokenizer)
    encoded = []
    for one in bare_ids(tokenizer, texts):
        inner = one[len(front) :] if front and tuple(one[: len(front)]) == front else one
        inner = inner[: -len(behind)] if behind and tuple(inner[-len(behind) :]) == behind else inner
        room = max(max_length - len(front) - len(behind), 0)
        encoded.append([*front, *inner[max(len(inner) - room, 0) :], *behind])
    return encoded


def bare_ids(tokenizer: TextTokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of the texts alone: special tokens only where they stand in a text."""
    return (
        [list(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]] if texts else []
    )


def added_tokens(tokenizer: TextTokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what the tokenizer adds in front of a text and behind it.

    Raises:
        ValueError: It changes what stands between, so that nothing can be said of its prompts.
    """
    for text in ("a", "1", "."):  # some vocabularies lack letters
        bare = list(tokenizer([text], add_special_tokens=False)["input_ids"][0])
        whole = list(tokenizer([text])["input_ids"][0])
        for start in range(len(whole) - len(bare) + 1) if bare else ():
            if whole[start : start + len(bare)] == bare:
                return tuple(whole[:start]), tuple(whole[start + len(bare) :])
    raise ValueError(
        "the tokenizer gives a text other tokens with special tokens around it than without; use another"
        " tokenizer"
    )


def make_decode(tokenizer: Any, thinking_tags: Sequence[str], stops: Sequence[str] = ()) -> Decode:
    """Token ids to text as rewards read it: end, padding and turn tokens are left out, those that mark a
    thinking stay, and so does what stands in front of a stop string.

    Some tokenizers have their thinking tags as special tokens, others as ordinary ones; a reward sees both.

    Args:
        tokenizer: A transformers tokenizer.
        thinking_tags: What opens and closes a thinking; special tokens inside of them stay.
        stops: ``rollout.stop``.
    """
    if stops:
        whole = make_decode(tokenizer, thinking_tags)
        return lambda batch: [up_to_stop(text, stops) for text in whole(batch)]
    specials = special_tokens(tokenizer)
    dropped = {index for index, text in specials.items() if not any(text in tag for tag in thinking_tags)}
    texts = _batch_decode(tokenizer)
    if len(dropped) == len(specials):
        return lambda batch: texts(batch, skip_special_tokens=True)
    return lambda batch: texts([[i for i in map(int, ids) if i not in dropped] for ids in batch])


def _batch_decode(tokenizer: Any) -> Callable[..., list[str]]:
    """The tokenizer's ``batch_decode``, or one that gives the same and lets other threads run meanwhile.

    transformers decodes sequence by sequence with the interpreter held; the call for batches of the library
    below releases it. What a tokenizer does to a text afterwards stays its own.
    """
    from transformers import PreTrainedTokenizerFast

    plain = getattr(type(tokenizer), "_decode", None) is PreTrainedTokenizerFast._decode
    if not plain or tokenizer.clean_up_tokenization_spaces:
        return tokenizer.batch_decode
    decode = tokenizer.backend_tokenizer.decode_batch

    def batch_decode(batch: Sequence[Sequence[int]], skip_special_tokens: bool = False) -> list[str]:
        # one at a time: as a batch they would take every core
        return [decode([ids], skip_special_tokens=skip_special_tokens)[0] for ids in batch]

    return batch_decode


def special_tokens(tokenizer: Any) -> dict[int, str]:
    """Id -> text of every token that ``skip_special_tokens`` would leave out."""
    added = {index: str(token) for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    named = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    return {**added, **named}
