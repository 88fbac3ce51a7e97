"""What the mentors did: the seven elements of the role, caseloads, answered absences, closures and the
mentors' funnel."""

from evalkit.programme.dosage import (
    Element,
    answered_absences,
    conflicts,
    escalations,
    family_introductions,
    fidelity,
    greetings,
    logging_mentors,
    matched_weeks,
    meeting_attendance,
    referral_funnel,
    wilson,
)
from evalkit.programme.mentors import caseloads, closures, contact_freshness, mentor_funnel, mentors_without_logs
from evalkit.programme.schools import side_by_side
from evalkit.programme.spans import (
    active_assignments,
    assignments,
    book_of,
    held_contacts,
    kept,
    matched_days,
    year_days,
)

__all__ = [
    "Element",
    "active_assignments",
    "answered_absences",
    "assignments",
    "book_of",
    "caseloads",
    "closures",
    "conflicts",
    "contact_freshness",
    "escalations",
    "family_introductions",
    "fidelity",
    "greetings",
    "held_contacts",
    "kept",
    "logging_mentors",
    "matched_days",
    "matched_weeks",
    "meeting_attendance",
    "mentor_funnel",
    "mentors_without_logs",
    "referral_funnel",
    "side_by_side",
    "wilson",
    "year_days",
]
