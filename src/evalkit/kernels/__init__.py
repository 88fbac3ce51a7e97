"""Notebooks: what they ask, and how they are executed."""
