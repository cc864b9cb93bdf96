"""``t2rl simulate``: calibrate on runs, predict a system, plan for a number of GPUs. No Ray, vLLM or
DeepSpeed."""
