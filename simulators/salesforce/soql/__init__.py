"""SOQL: text to syntax, syntax to rows. Knows the schema and the store, nothing of HTTP."""
