"""The stream between rollout and learner: step tickets, plans and the buffer that holds their groups."""
