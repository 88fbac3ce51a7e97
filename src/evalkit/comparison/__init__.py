"""Who is compared with whom: matching, weighting, balance, and the landmark comparison of a study."""

from evalkit.comparison.balance import balance_table, effective_n
from evalkit.comparison.choose import choose_comparison
from evalkit.comparison.landmark import landmark_comparison
from evalkit.comparison.methods import METHODS
from evalkit.comparison.result import Comparison

__all__ = ["METHODS", "Comparison", "balance_table", "choose_comparison", "effective_n", "landmark_comparison"]
