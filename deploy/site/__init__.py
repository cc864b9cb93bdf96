"""The documentation site: what MkDocs does not do by itself. mkdocs.yml is its configuration."""
