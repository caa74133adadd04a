"""The Learned Genetic Algorithm: operators made of attention, the algorithm, and parameters that we meta-evolved."""
