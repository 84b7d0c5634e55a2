"""Sources and sinks: the only code that talks to Microsoft Graph or Salesforce."""
