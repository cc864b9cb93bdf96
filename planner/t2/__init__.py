"""Train-to-test scaling (arXiv 2604.01411): surfaces of pass@k over model size, training tokens and samples,
and their optima.

``approach1`` and ``approach2`` are the paper's; ``family`` fits success counts of bases and post-trained
checkpoints together.
"""
