"""How the generator and the CLIP of LSI-Digits are trained: ``python -m scripts.lsi_digits --help``."""
