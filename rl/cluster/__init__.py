"""Where processes sit: Ray, placement groups, GPUs, and jobs on a cluster."""
