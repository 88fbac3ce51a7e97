"""Choosing whom to help: who stands on which list, a score whose parts are shown, and proposals under caseload caps."""

from evalkit.selection.lists import FLOOR, hardly_attend, prior_year_list, summer_list, warning_list, with_pooled_zip
from evalkit.selection.propose import CAPS, Bonuses, Pairing, propose_assignments
from evalkit.selection.score import TRANSITION_GRADES, Weights, candidates

__all__ = [
    "CAPS",
    "FLOOR",
    "TRANSITION_GRADES",
    "Bonuses",
    "Pairing",
    "Weights",
    "candidates",
    "hardly_attend",
    "prior_year_list",
    "propose_assignments",
    "summer_list",
    "warning_list",
    "with_pooled_zip",
]
