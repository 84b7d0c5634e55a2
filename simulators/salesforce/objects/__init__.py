"""The standard objects of an org, as data: one module per family."""
