"""The roof: what crosses packages, and the tasks around the main one."""
