"""Metric keys of FLOPs, by what they are spent on."""

FLOPS = {
    "sampling": "cost/flops_sampling",
    "training": "cost/flops_training",
    "scoring": "cost/flops_scoring",
    "reference": "cost/flops_reference",
    "critic": "cost/flops_critic",
}
