"""What would run, in which order, and running it."""
