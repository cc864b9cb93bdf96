"""Options that the services share: who may call."""

from pathlib import Path

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def token_for(host: str, token_file: Path | None) -> str | None:
    """The token that callers must send; None where this machine alone can call and none is asked for.

    Raises:
        ValueError: an address that others can reach without a token, or a token file that is missing or
            empty.
    """
    if token_file is None:
        if host not in LOOPBACK:
            raise ValueError(f"--host {host} is open to others: give --token-file, or use 127.0.0.1")
        return None
    if not token_file.is_file():
        raise ValueError(f"--token-file {token_file}: no such file")
    token = token_file.read_text().strip()
    if not token:
        raise ValueError(
            f"--token-file {token_file} is empty; for example: openssl rand -hex 32 > {token_file}"
        )
    return token
