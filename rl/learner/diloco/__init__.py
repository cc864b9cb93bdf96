"""Low-communication data parallel: replicas that train alone and exchange how far they have moved (Streaming
DiLoCo, arXiv 2501.18512; docs/decisions/0013-diloco.md).

``outer`` and ``codes`` are tensor logic, ``link`` the replicas' process group, ``replica`` one replica's
outer state, ``actor`` a learner rank with it, ``group`` all of them as a learner group.
"""
