"""Checks of a user's input before any actor starts: model, tokenizer, prompts, reward."""
