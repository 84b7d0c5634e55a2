"""A stand-in for the Salesforce REST API (Event, EventRelation, Contact, User, Calendar)."""
