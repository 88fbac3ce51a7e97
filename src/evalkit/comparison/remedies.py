"""What mends a comparison that cannot be made, or groups that did not start alike, in each comparison design."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from evalkit.errors import UsageError, UserError

NOBODY = {
    "waitlist": "A student waits from its assigned_date (always, with assigned_by = waitlist) to the day before its "
                "begin_date: give both dates for everyone on the list. Where few wait at a time, start mentors in "
                'groups, or use comparison = "within_school".',
    "prior_cohort": "Students of the year before need that year's enrollment, calendar and attendance_event, in the "
                    'same schools: add them, or compare within this year (comparison = "within_school" or "waitlist").',
    "randomized": "Everybody who was in the draw must be in the data: who drew a place with assigned_by = randomized, "
                  "the others with their enrollment and attendance.",
    "comparison_schools": "Give schools without the program (programme_school = false) that resemble those with it, "
                          "with all their students and attendance.",
}
"""Design -> what to do where nobody can be compared."""
APART = {
    "waitlist": "Compare students who came onto the list at the same time and for the same reason; or draw by lot who "
                "gets the next mentor, so that waiting has no cause.",
    "prior_cohort": "Match on grade and on the absence of the year before, take the same days of both years, or "
                    "compare within this year.",
    "randomized": "A lottery is mended at its source: compare with the list of the draw, find out who left after it, "
                  "and keep everyone who was drawn. A caliper would break the draw.",
    "comparison_schools": "Look for schools whose earlier absence is like that of the schools with the program, and "
                          "match students inside pairs of such schools.",
}
"""Design -> what to do where the groups were far apart at the start."""
CLOSER = "Use a caliper, exact strata or more comparison students, so that groups start alike."


def apart(design: str) -> str:
    """What to do where the groups of this design were too far apart at the start to adjust for."""
    return APART.get(design, CLOSER)


@contextlib.contextmanager
def remedy_of_design(plan: Any) -> Iterator[None]:
    """A comparison that cannot be made says first what its own design would need."""
    try:
        yield
    except UserError as wrong:
        if plan.comparison not in NOBODY or isinstance(wrong, UsageError):
            raise
        raise UserError(wrong.what, remedy=f"{NOBODY[plan.comparison]} {wrong.remedy}".strip(),
                        culprits=wrong.culprits) from None
