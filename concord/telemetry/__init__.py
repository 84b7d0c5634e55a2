"""What Concord tells of itself: metrics, and whether a process is alive and ready."""
