"""Speed of qdbench beside its peers, and where an iteration's time goes. Run ``python -m benchmarks --help``."""
