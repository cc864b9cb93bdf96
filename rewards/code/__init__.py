"""Code rewards: programs of any language, judged by what they do in the sandbox."""
