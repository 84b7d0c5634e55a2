"""Read models: what people look things up in, as rows. Pure folds of journal and decisions; no database here."""
