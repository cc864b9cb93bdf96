"""Looking at curricula: simulate a preset, inspect a run, check a part. No Ray, vLLM, DeepSpeed or torch."""
