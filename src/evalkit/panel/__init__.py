"""The heavy step: attendance of any form as exact integers by student, school, month, window or day.

`open_days(study)` lays a year out once (a `DayBook`); every view takes the study and, to save time, `book=`.
"""

from evalkit.panel.book import DayBook, open_days, planned_days
from evalkit.panel.daily import daily_chunks, daily_rows, longest_runs, spells
from evalkit.panel.dropped import dropped_events
from evalkit.panel.views import (
    absences,
    attendance_panel,
    daily_panel,
    enrolled_spans,
    has_days,
    month_panel,
    school_days,
    student_panel,
    window_panel,
)

__all__ = ["DayBook", "absences", "attendance_panel", "daily_chunks", "daily_panel", "daily_rows",
           "dropped_events", "enrolled_spans", "has_days", "longest_runs", "month_panel", "open_days", "planned_days",
           "school_days", "spells", "student_panel", "window_panel"]
