"""The one exception of the contract."""


class ContractBroken(AssertionError):
    """A part does what no part may do; the message says what, and what to do instead."""
