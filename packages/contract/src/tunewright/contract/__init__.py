"""What the other packages agree on. The ground floor: imports nothing of Tunewright."""
