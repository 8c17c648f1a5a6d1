"""Tool calls in assistant messages, one dialect a file."""
