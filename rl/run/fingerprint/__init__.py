"""What a run is made of, as hashes: data, base, tokenizer, reward and settings. A resume compares them
(docs/runs.md)."""
