"""The cost of inference: FLOPs, bytes, milliseconds and dollars of a query, and the table that trades them
against pass@k."""
