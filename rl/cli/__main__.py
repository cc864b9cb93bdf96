"""``python -m rl.cli``: the command where no script is installed, as in a Ray job's working directory."""

from rl.cli import main

if __name__ == "__main__":
    main()
