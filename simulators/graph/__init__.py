"""A stand-in for Microsoft Graph (calendars, users, places, subscriptions)."""
