"""The team's lists: students whose absence grew within the year, and who misses single periods. Never for partners."""

from __future__ import annotations

from typing import Any

from evalkit.patterns.fading import fading_students, missed_by_student
from evalkit.patterns.grid import day_grid
from evalkit.patterns.search import missed_periods
from evalkit.render.blocks import Callout, Column, Row, Table
from evalkit.reports.gate import Gate
from evalkit.reports.month_tables import People

_NONE = " None stands out beyond chance."


def people_blocks(study: Any, gate: Gate) -> list[Any]:
    """Both lists side by side, for the team only."""
    if not gate.is_team:
        return []
    grid, people = day_grid(study), People(study)
    fading = fading_students(grid).assign(school=lambda f: [study.school_name(s) for s in f["school_id"]])
    periods = missed_by_student(grid, missed_periods(study.table("attendance_period")))
    left = _fading(fading.assign(student=fading["student_id"].map(people.name)), gate)
    if periods.empty:
        return [left]
    right = _periods(periods.assign(student=periods["student_id"].map(people.name)), gate)
    return [Row(((left,), (right,)), (6, 6))]


def _fading(rows: Any, gate: Gate) -> Table | Callout:
    title = gate.fixed("Students who come less than before")
    if rows.empty:
        return Callout(
            title, (gate.fixed("No student's absence grew more than chance allows. Few absences hide a change."),)
        )
    columns = (
        Column("student", "Student"),
        Column("since", "Since", "date"),
        Column("share_before", "Missed before", "percent"),
        Column("share_after", "Missed since", "percent"),
    )
    return Table(
        title,
        gate.fixed("Share of school days missed"),
        rows[["student_id", "student", "school", "since", "share_before", "share_after", "n_absences"]],
        columns,
        key="fading",
        most_rows=5,
        note=gate.fixed("Next step: one check-in each. At most 5 in 100 of this list are expected to be chance."),
    )


def _periods(rows: Any, gate: Gate) -> Table:
    has_some = bool(rows["beyond"].ne("no").any())
    columns = (
        Column("student", "Student"),
        Column("n_missed", "Periods missed", "integer"),
        Column("period", "Most in period"),
        Column("n_in_period", "Missed there", "integer"),
        *((Column("beyond", "Beyond chance"),) if has_some else ()),
    )
    return Table(
        gate.fixed("Students who miss single periods"),
        gate.fixed("Five or more, most first"),
        rows[["student_id", "student", "n_missed", "period", "n_in_period", "beyond"]],
        columns,
        key="skipped_periods",
        most_rows=5,
        note=gate.fixed("Next step: ask what that period is like." + _NONE * (not has_some)),
    )
