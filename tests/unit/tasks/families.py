"""Tokenizers as published families set them up: their special tokens, what they add to a text, and the layout
of their chats.

The vocabularies are bytes, the templates are written here; what is real are the facts: which tokens there
are, who adds the start token, what stands around a turn, what a template does with thinking, and whose
default system message there is.
"""

from dataclasses import dataclass, field
from functools import cache

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One family's settings."""

    bos: str | None
    eos: str
    chat: str
    specials: tuple[str, ...] = ()
    """Special tokens beside the two."""
    plain: tuple[str, ...] = ()
    """Added tokens that are not special."""
    adds_bos: bool = False
    adds_eos: bool = False
    sentencepiece: bool = False
    """A space is a letter of its own, and stands in front of a text."""
    chat_starts: int = field(default=1)
    """Start tokens of a chat with one question."""


def turns(*layouts: str, first: str = "") -> str:
    """A template: turns of user, assistant and system with X for their words, then what opens the answer."""
    user, assistant, system, generation = layouts
    parts = [first]
    for role, layout in (("system", system), ("user", user), ("assistant", assistant)):
        before, after = layout.split("X")
        parts.append(f"{{% if m.role == '{role}' %}}{before}{{{{ m.content | trim }}}}{after}{{% endif %}}")
    body = "{% for m in messages %}" + "".join(parts[1:]) + "{% endfor %}"
    return parts[0] + body + "{% if add_generation_prompt %}" + generation + "{% endif %}"


def chatml(*, system: str = "", generation: str = "<|im_start|>assistant\n") -> str:
    first = (
        f"{{% if messages[0].role != 'system' %}}<|im_start|>system\n{system}<|im_end|>\n{{% endif %}}"
        if system
        else ""
    )
    layouts = [f"<|im_start|>{role}\nX<|im_end|>\n" for role in ("user", "assistant", "system")]
    return turns(*layouts, generation, first=first)


IM = ("<|im_start|>", "<|im_end|>")
BOS = "{{ bos_token }}"
HEADERS = [
    f"<|start_header_id|>{role}<|end_header_id|>\n\nX<|eot_id|>" for role in ("user", "assistant", "system")
]
COHERE = [
    f"<|START_OF_TURN_TOKEN|><|{role}_TOKEN|>X<|END_OF_TURN_TOKEN|>" for role in ("USER", "CHATBOT", "SYSTEM")
]

FAMILIES = {
    "llama-2": Family(
        bos="<s>",
        eos="</s>",
        adds_bos=True,
        sentencepiece=True,
        chat=turns(BOS + "[INST] X [/INST]", " X {{ eos_token }}", "<<SYS>>\nX\n<</SYS>>\n\n", ""),
    ),
    "llama-2, saved with add_eos_token": Family(
        bos="<s>",
        eos="</s>",
        adds_bos=True,
        adds_eos=True,
        chat=turns(BOS + "[INST] X [/INST]", " X {{ eos_token }}", "X\n\n", ""),
    ),
    "llama-3": Family(
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        specials=("<|start_header_id|>", "<|end_header_id|>"),
        adds_bos=True,
        chat=turns(*HEADERS, "<|start_header_id|>assistant<|end_header_id|>\n\n", first=BOS),
    ),
    "mistral v0.3": Family(
        bos="<s>",
        eos="</s>",
        specials=("[INST]", "[/INST]"),
        adds_bos=True,
        sentencepiece=True,
        chat=turns("[INST] X[/INST]", " X{{ eos_token }}", "X\n\n", "", first=BOS),
    ),
    "magistral": Family(
        bos="<s>",
        eos="</s>",
        specials=("[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[THINK]", "[/THINK]"),
        adds_bos=True,
        chat=turns("[INST]X[/INST]", "X{{ eos_token }}", "[SYSTEM_PROMPT]X[/SYSTEM_PROMPT]", "", first=BOS),
    ),
    "qwen2.5": Family(
        bos=None,
        eos="<|im_end|>",
        specials=("<|im_start|>", "<|endoftext|>"),
        chat_starts=0,
        chat=chatml(system="You are Qwen."),
    ),
    "qwen3": Family(
        bos=None,
        eos="<|im_end|>",
        specials=("<|im_start|>", "<|endoftext|>"),
        plain=("<think>", "</think>"),
        chat_starts=0,
        chat=chatml().replace(
            "m.content | trim",
            "(m.content.split('</think>')[-1] if m.role == 'assistant' else m.content) | trim",
        ),
    ),
    "gemma-2": Family(
        bos="<bos>",
        eos="<eos>",
        specials=("<start_of_turn>", "<end_of_turn>"),
        adds_bos=True,
        chat=turns(
            "<start_of_turn>user\nX<end_of_turn>\n",
            "<start_of_turn>model\nX<end_of_turn>\n",
            "{{ raise_exception('System role not supported') }}X",
            "<start_of_turn>model\n",
            first=BOS,
        ),
    ),
    "phi-3": Family(
        bos="<s>",
        eos="<|endoftext|>",
        specials=("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        sentencepiece=True,
        chat_starts=0,
        chat=turns(
            "<|user|>\nX<|end|>\n", "<|assistant|>\nX<|end|>\n", "<|system|>\nX<|end|>\n", "<|assistant|>\n"
        ),
    ),
    "deepseek-r1-distill": Family(
        bos="<｜begin▁of▁sentence｜>",
        eos="<｜end▁of▁sentence｜>",
        specials=("<｜User｜>", "<｜Assistant｜>"),
        plain=("<think>", "</think>"),
        adds_bos=True,
        chat=turns(
            "<｜User｜>X", "<｜Assistant｜>X{{ eos_token }}", "X", "<｜Assistant｜><think>\n", first=BOS
        ),
    ),
    "olmo-2": Family(
        bos="<|endoftext|>",
        eos="<|endoftext|>",
        chat=turns(
            "<|user|>\nX\n",
            "<|assistant|>\nX{{ eos_token }}\n",
            "<|system|>\nX\n",
            "<|assistant|>\n",
            first=BOS,
        ),
    ),
    "smollm2": Family(bos=IM[0], eos=IM[1], chat_starts=3, chat=chatml(system="You are SmolLM.")),
    "zephyr": Family(
        bos="<s>",
        eos="</s>",
        adds_bos=True,
        sentencepiece=True,
        chat_starts=0,  # its chats begin without one, and apply_chat_template adds nothing
        chat=turns(
            *(f"<|{role}|>\nX{{{{ eos_token }}}}\n" for role in ("user", "assistant", "system")),
            "<|assistant|>\n",
        ),
    ),
    "command-r": Family(
        bos="<BOS_TOKEN>",
        eos="<|END_OF_TURN_TOKEN|>",
        specials=("<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>"),
        adds_bos=True,
        chat=turns(*COHERE, "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>", first=BOS),
    ),
    "seed-oss": Family(
        bos="<seed:bos>",
        eos="<seed:eos>",
        specials=("<seed:think>", "</seed:think>"),
        chat=turns(
            *(f"{BOS}{role}\nX{{{{ eos_token }}}}" for role in ("user", "assistant", "system")),
            BOS + "assistant\n",
        ),
        chat_starts=2,
    ),
}


@cache
def build(name: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a family."""
    family = FAMILIES[name]
    specials = list(dict.fromkeys(t for t in (family.bos, family.eos, *family.specials) if t))
    inner = _sentencepiece() if family.sentencepiece else _byte_level()
    inner.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in specials])
    inner.add_tokens([AddedToken(t, special=False, normalized=False) for t in family.plain])
    if family.adds_bos or family.adds_eos:
        single = (
            (f"{family.bos} " if family.adds_bos else "")
            + "$A"
            + (f" {family.eos}" if family.adds_eos else "")
        )
        inner.post_processor = processors.TemplateProcessing(
            single=single,
            special_tokens=[(t, inner.token_to_id(t)) for t in (family.bos, family.eos) if t and t in single],
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token=family.bos, eos_token=family.eos, chat_template=family.chat
    )


def _byte_level() -> Tokenizer:
    inner = Tokenizer(
        models.BPE(vocab={c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[])
    )
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    return inner


def _sentencepiece() -> Tokenizer:
    pieces = ["<unk>", *(f"<0x{b:02X}>" for b in range(256)), "▁", *(chr(c) for c in range(33, 127))]
    inner = Tokenizer(
        models.BPE(
            vocab={p: i for i, p in enumerate(pieces)},
            merges=[],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    inner.normalizer = normalizers.Sequence([])
    inner.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    inner.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    return inner
