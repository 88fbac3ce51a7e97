"""A study that knows days missed but not days enrolled: what its counts can say, and why there are no shares."""

from __future__ import annotations

from typing import Any

from evalkit.patterns.counts import days_per_student, weekday_counts
from evalkit.render.blocks import Callout, Column, Table
from evalkit.reports.barrier_facts import BarrierFacts
from evalkit.reports.gate import Gate


def count_numbers(body: tuple[Any, ...]) -> dict[str, Any]:
    """results.json: the counts that are shown where nothing can be compared."""
    return {block.key: list(block.data.numbers["rows"]) for block in body if isinstance(block, Table)}


def counts_only(study: Any, facts: BarrierFacts, gate: Gate) -> tuple[Any, ...]:
    """What is left without days enrolled: days per student and weekday counts."""
    if not len(facts.absences):
        return (
            Callout(
                gate.fixed("No dated absences"),
                (
                    gate.fixed(
                        "These data hold totals or shares only. "
                        "Patterns need dated absences of students (attendance_event)."
                    ),
                ),
                tone="caution",
            ),
        )
    from evalkit.panel import school_days

    spread = gate.table(
        "days_per_student",
        days_per_student(facts.absences, len(study.table("student"))),
        keys=("days",),
        counts=("n_students",),
    )
    days = school_days(study)
    counted = days[days["counted"]] if "counted" in days else days
    week = gate.table(
        "weekday_counts",
        weekday_counts(facts.absences, counted),
        keys=("weekday",),
        counts=("n_students",),
        plain={"n_absences": "n_students", "n_school_days": "n_students", "per_day": "n_students"},
    )
    return (
        Table(
            gate.fixed("Students by days missed on record"),
            gate.fixed("Students of the list, by days missed"),
            spread,
            (Column("days", "Days missed"), Column("n_students", "Students", "integer")),
            key="days_per_student",
        ),
        Table(
            gate.fixed("Absences by weekday"),
            gate.fixed("Absences on record beside the school days that are known"),
            week,
            (
                Column("weekday", "Weekday"),
                Column("n_absences", "Absences", "integer"),
                Column("n_students", "Students", "integer"),
                Column("n_school_days", "School days known", "integer"),
                Column("per_day", "Absences per day", "decimal1"),
            ),
            note=gate.fixed(
                "School days are those on which a school wrote something down. No share can be made of them."
            ),
            key="weekday_counts",
        ),
    )
