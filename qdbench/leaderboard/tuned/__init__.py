"""A board of tuned optimizers on BBOB: one setting for all functions beside settings tuned for each function."""
