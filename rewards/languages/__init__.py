"""One YAML file a language; ``rewards.code.languages`` reads them."""
