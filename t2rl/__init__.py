"""The ``t2rl`` command's way in: our own packages come first, then the command line is imported."""

from t2rl.own_code import own_code_first


def main() -> None:
    """Run the command."""
    own_code_first()
    from rl.cli import main as command

    command()
