"""Hashes of all that a run is made of: data, base, tokenizer, reward and settings. A resume compares them
(docs/runs.md)."""
