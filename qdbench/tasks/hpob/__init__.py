"""HPO-B: hyperparameter optimization on surrogates, which are ensembles of regression trees."""
