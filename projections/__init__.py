"""State as folds of the log: pure `evolve` functions and their bindings."""
