"""The console's operations for programs, below /api/v1: the same functions as the pages, answered as JSON."""
