"""Settings, wiring, the command line and the development broker."""
