"""The reward model itself: loaded once, scores texts in batches. Runs inside the actor."""

import math
from collections.abc import Sequence
from typing import Any

from rl.config.reward_model import RewardModelConfig
from rl.scorers.reward_model import reward_model_directory
from rl.tasks.encoding import sequence_ids


class RewardModelHost:
    """Loads in the constructor.

    Raises:
        ValueError: The directory's scoring head is not trained, the label does not exist, or there is no pad
            token.
    """

    def __init__(self, config: RewardModelConfig) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self._config = config
        if config.device == "cpu":
            torch.set_num_threads(config.num_threads)
        path, trust = reward_model_directory(config), config.trust_remote_code
        self._tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=trust)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            path, dtype=getattr(torch, config.dtype), output_loading_info=True, trust_remote_code=trust
        )
        if info["missing_keys"]:
            raise ValueError(
                f"reward_model.path: {config.path} lacks the weights {sorted(info['missing_keys'])}, which"
                " would be random; give a trained sequence classifier"
            )
        self._num_labels = int(model.config.num_labels)
        if config.label >= self._num_labels:
            raise ValueError(
                f"reward_model.label: {config.label} does not exist; the model has {self._num_labels} labels,"
                " from 0"
            )
        self._set_padding(model)
        self._model = model.to(config.device).eval()

    def _set_padding(self, model: Any) -> None:
        """Decoder-only classifiers score the last token that is no padding, so model and tokenizer must agree
        on it."""
        tokenizer = self._tokenizer
        if tokenizer.pad_token_id is None:
            if tokenizer.eos_token_id is None:
                raise ValueError(
                    "reward_model.path: its tokenizer has neither a pad nor an end token; add one"
                )
            tokenizer.pad_token = tokenizer.eos_token
        model.config.pad_token_id = tokenizer.pad_token_id

    def ready(self) -> int:
        """Number of labels, once the model is loaded."""
        return self._num_labels

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """One score for each (prompt, completion), in order.

        Raises:
            ValueError: A score is not finite.
        """
        template = self._config.template
        texts = [template.replace("{prompt}", prompt).replace("{completion}", text) for prompt, text in pairs]
        # Texts of like length side by side: less padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        scores = [0.0] * len(texts)
        for start in range(0, len(order), self._config.batch_size):
            chosen = order[start : start + self._config.batch_size]
            for index, score in zip(chosen, self._batch([texts[i] for i in chosen]), strict=True):
                scores[index] = score
        if not all(map(math.isfinite, scores)):
            raise ValueError("the reward model gave a score that is not finite")
        return scores

    def _batch(self, texts: list[str]) -> list[float]:
        import torch

        encoded = sequence_ids(self._tokenizer, texts, max_length=self._config.max_length)
        inputs = self._tokenizer.pad({"input_ids": encoded}, return_tensors="pt").to(self._config.device)
        with torch.inference_mode():
            logits = self._model(**inputs).logits.float()
        if self._num_labels > 1:
            found = logits.softmax(-1)[:, self._config.label]
        else:
            found = logits[:, 0].sigmoid() if self._config.squash == "sigmoid" else logits[:, 0]
        return [float(score) for score in found]
