"""The administrator's console: pages rendered here, over the same functions that the command line uses."""
