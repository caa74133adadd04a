"""How the tables and surrogates of HPO-Mini are made: ``python -m scripts.hpo_mini --help``."""
