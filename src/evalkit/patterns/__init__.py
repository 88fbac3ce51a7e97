"""Patterns of absence: reasons, calendar, shared absence, runs; notes; from barrier to help."""

from evalkit.patterns.search import KINDS, find_patterns, n_searched, search_grid

__all__ = ["KINDS", "find_patterns", "n_searched", "search_grid"]
