"""``python -m t2rl``: the command where no script is installed."""

from t2rl import main

if __name__ == "__main__":
    main()
