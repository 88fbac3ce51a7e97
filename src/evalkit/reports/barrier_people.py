"""The team's lists: students whose absence grew within the year, and who misses single periods. Never for partners."""

from __future__ import annotations

from typing import Any

from evalkit.patterns.fading import fading_students, missed_by_student
from evalkit.patterns.grid import day_grid
from evalkit.patterns.search import missed_periods
from evalkit.render.blocks import Callout, Column, Row, Table
from evalkit.reports.gate import Gate


def people_blocks(study: Any, gate: Gate) -> list[Any]:
    """Both lists side by side, for the team only."""
    if not gate.is_team:
        return []
    grid = day_grid(study)
    fading = fading_students(grid).assign(school=lambda f: [study.school_name(s) for s in f["school_id"]])
    periods = missed_by_student(grid, missed_periods(study.table("attendance_period")))
    left = _fading(fading, gate)
    if periods.empty:
        return [left]
    return [Row(((left,), (_periods(periods, gate),)), (6, 6))]


def _fading(rows: Any, gate: Gate) -> Table | Callout:
    title = gate.fixed("Students who come less than before")
    if rows.empty:
        return Callout(
            title, (gate.fixed("No student's absence grew more than chance allows. Few absences hide a change."),)
        )
    columns = (
        Column("student_id", "Student"),
        Column("since", "Since", "date"),
        Column("share_before", "Missed before", "percent"),
        Column("share_after", "Missed since", "percent"),
    )
    return Table(
        title,
        gate.fixed("Share of school days missed"),
        rows[["student_id", "school", "since", "share_before", "share_after", "n_absences"]],
        columns,
        key="fading",
        most_rows=5,
        note=gate.fixed("Next step: one check-in each. At most 5 in 100 of this list are expected to be chance."),
    )


def _periods(rows: Any, gate: Gate) -> Table:
    columns = (
        Column("student_id", "Student"),
        Column("n_missed", "Periods missed", "integer"),
        Column("period", "Most in period"),
        Column("n_in_period", "Of them", "integer"),
        Column("beyond", "Beyond chance"),
    )
    return Table(
        gate.fixed("Students who miss single periods"),
        gate.fixed("Five or more, most first"),
        rows[["student_id", "n_missed", "period", "n_in_period", "beyond"]],
        columns,
        key="skipped_periods",
        most_rows=5,
        note=gate.fixed("Next step: ask what that period is like."),
    )
