"""The Salesforce side."""
