"""A board of tuned optimizers on BBOB: one setting for all functions beside settings tuned for each function."""

REFERENCE = "gaussian-ga"
"""The optimizer whose precision is 1 where no other is named."""
