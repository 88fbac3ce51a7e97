"""Counts of released tables that no tie of the audit reads: told to the nearest ten, or why they stand apart.

Every whole number that a copy for others prints must be known to the audit by a shape or stand here
(tests/attack/test_declared_counts.py): a new table cannot be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

STUDENTS = re.compile(r"(n|of|n_(students|chronic\w*|before|now|crossed|back_under|stayed_over|joined|treated"
                       r"|comparison|satisfactory|at_risk|moderate|severe|extreme|barriers|referred|connected|waiting"
                       r"|good|improved|named_with_consent|mentored\w*|may_need_support|returning|untold|answered"
                       r"|families_met|both)|treated|comparison|good|improved|connected|waiting|ended|satisfactory"
                       r"|at_risk|moderate|severe|extreme|loaded|repaired|quarantined|duplicate|grade_\w+)")
"""Names of columns and keys that count students (or rows, which may be students)."""
NEAREST_TEN: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("monthly_review", "weekdays"): ("n_students", "absent_days"),
    ("monthly_review", "reasons"): ("n_students", "n"),
    ("monthly_review", "looks"): ("n_treated", "n_comparison"),
    ("barrier_patterns", "coverage"): ("n_students", "n_absences", "n_known"),
    ("barrier_patterns", "reasons"): ("n_all",),
    ("barrier_patterns", "survey_response"): ("n_answered",),
    ("barrier_patterns", "supports_per_student"): ("n_students",),
    ("barrier_patterns", "overlaps"): ("n_students",),
    ("barrier_patterns", "connection"): ("n",),
    ("barrier_patterns", "named_adult"): ("of",),
    ("barrier_patterns", "absence_by_answer"): ("n_yes", "n_no"),
    ("barrier_patterns", "patterns"): ("n_students",),
    ("barrier_patterns", "finding"): ("n_students",),
    ("barrier_patterns", "findings"): ("n_students",),
    ("barrier_patterns", "profile_weekday"): ("n_students",),
    ("barrier_patterns", "profile_month"): ("n_students",),
    ("student_selection", "years"): ("n_students",),
    ("student_selection", "grade_moves"): ("n_students",),
    ("program_profile", "years"): ("n_students",),
    ("data_check", "completeness"): ("n_students", "n_absences", "n_with_reason"),
}
"""Other copies hold nearly the same students, or the same days a week earlier: an exact number is a finding."""

APART: Mapping[tuple[str, str], tuple[str, ...]] = {
    # Places, kinds of support, mentors, statements, sessions, days, a zip code; students in a copy rounded throughout.
    ("barrier_patterns", "gap"): ("n_resources", "capacity", "n_stale"),
    ("barrier_patterns", "domains"): ("supports",),
    ("barrier_patterns", "support_dose"): ("n_students", "n_sessions", "a_week", "minutes", "group_size", "in_day",
                                           "came"),
    ("barrier_patterns", "themes"): ("n_statements", "works_well", "works_less", "could_do"),
    ("barrier_patterns", "funnel"): ("days_to_connect",),
    ("program_profile", "mentor_types"): ("mentors",),
    ("student_selection", "capacity"): ("n_to_match", "n_matched", "n_open", "gap"),
    ("student_selection", "training"): ("n_mentors", "n_with_student"),
    ("student_selection", "hot_spots"): ("zip",),
    # Students of one month or of one comparison, counted in no second place.
    ("barrier_patterns", "reason_months"): ("n_students", "n_month"),
    ("barrier_patterns", "together"): ("n_both",),
    ("barrier_patterns", "after_resolution"): ("n_resolved", "n_open"),
    ("celebration", "next_year"): ("n", "of"),
}
"""Counts the audit looks at one by one only (a count under ten in sight), and no further."""


def is_exact_where_ten(report: str, stem: str, column: str, value: float | None) -> bool:
    """Whether a number is told more closely than to the nearest ten where only that is safe."""
    return value is not None and column in NEAREST_TEN.get((report, stem), ()) and value % 10 != 0


def tells_who_joined(flows: Mapping[str, object], least: int) -> bool:
    """Whether the moves over the line and the chronic counts of a review leave a few students who joined or left."""
    for whole, moved in (("n_chronic_now", "n_crossed"), ("n_chronic_before", "n_back_under")):
        found = [flows.get(name) for name in (whole, "n_stayed_over", moved)]
        numbers = [int(n) for n in found if isinstance(n, int)]
        if len(numbers) == 3 and 0 < numbers[0] - numbers[1] - numbers[2] < least:
            return True
    return False


def rounding_of(report: str, stem: str, column: str, rounded_to: int) -> int:
    """To what a count of this column is rounded in a copy whose page says `rounded_to`."""
    return max(rounded_to, 10) if column in NEAREST_TEN.get((report, stem), ()) else rounded_to
