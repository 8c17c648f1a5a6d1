"""Reading files, rows and shapes."""
