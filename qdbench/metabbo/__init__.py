"""Meta-black-box optimization: an optimizer's arrays are evolved on a distribution of tasks (lange2023lga)."""
