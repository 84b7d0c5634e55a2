"""The Microsoft Graph side."""
