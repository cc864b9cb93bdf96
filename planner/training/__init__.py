"""From the planner's answer to targets of training."""
