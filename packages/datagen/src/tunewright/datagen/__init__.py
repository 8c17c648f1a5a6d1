"""Grounded training examples from a tool catalog and real repositories."""
