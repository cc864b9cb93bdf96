"""Every rollout with its text: Parquet files, one a step, that pandas and datasets read without us."""
