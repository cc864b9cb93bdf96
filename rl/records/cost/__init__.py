"""The cost of a step: FLOPs from a model's shape, peaks of devices, totals of a run. Formulas only."""
