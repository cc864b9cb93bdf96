"""The character tokenizer of the tiny bases, as a transformers fast tokenizer."""

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, UNK = "<pad>", "<bos>", "<eos>", "<unk>"
PAD_ID, BOS_ID, EOS_ID, UNK_ID = 0, 1, 2, 3
CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz+-*%=<>#,;:.()/ ?!_[]|&^"
VOCABULARY = {token: i for i, token in enumerate([PAD, BOS, EOS, UNK, *CHARACTERS])}
VOCAB_SIZE = len(VOCABULARY)
assert VOCAB_SIZE == 64, VOCAB_SIZE


def encode(text: str) -> list[int]:
    """Ids of the characters, no special tokens; the same as the tokenizer's, without its overhead."""
    return [VOCABULARY.get(c, UNK_ID) for c in text]


def char_tokenizer(max_positions: int) -> PreTrainedTokenizerFast:
    """One token per character; ``<bos>`` is added in front, nothing behind."""
    inner = Tokenizer(models.WordLevel(VOCABULARY, unk_token=UNK))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    inner.decoder = decoders.Fuse()
    inner.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, BOS_ID)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNK,
        model_max_length=max_positions,
        clean_up_tokenization_spaces=False,
    )
