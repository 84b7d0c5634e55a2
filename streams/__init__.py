"""Decisions as pure functions, and the thin Faust edge that runs them."""
