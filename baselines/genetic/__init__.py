"""Genetic algorithms with Gaussian mutation that differ in how they choose its step size."""
