"""The learner: DeepSpeed ranks that turn a ``TrainingBatch`` into one or more optimizer steps, and publish
the weights.

``rank.LearnerRank`` is a plain class and works without Ray; ``group.LearnerGroup`` runs one per Ray actor.
"""
