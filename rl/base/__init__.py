"""Tiny bases: corpus, tokenizer, lean pretraining, export to transformers, cache.
``rl.base.cache.build_base`` is the way in."""
