"""Neuroevolution: a solution is the weights of a network, which is judged by what it does."""
