"""Boards of HPO-B and HPO-Mini: regret and ranks after a number of evaluations."""
