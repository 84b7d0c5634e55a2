"""One module per role: the thin edge that runs the pure stages under the guard."""
