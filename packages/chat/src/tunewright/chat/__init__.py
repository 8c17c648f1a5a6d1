"""Chat data of any shape: reading it, its tool calls in every dialect, normalizing, merging, splitting."""
