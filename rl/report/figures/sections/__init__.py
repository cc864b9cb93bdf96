"""The figures of each section of a report, in the order in which the section shows them."""
