"""Tiny bases: corpus, tokenizer, lean pretraining, export to transformers, cache.
``rl.pretrain.cache.build_base`` is the way in."""
