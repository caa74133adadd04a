"""How the models of LSI-Digits and LSI-Fashion are trained: ``python -m scripts.lsi --help``."""
