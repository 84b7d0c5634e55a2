"""Stand-ins for Microsoft Graph and Salesforce that behave as the documentation says, warts included."""
