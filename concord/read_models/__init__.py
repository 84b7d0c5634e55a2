"""The read models in a database: kept, rebuilt, read. The folds themselves are in `projections.read_models`."""
