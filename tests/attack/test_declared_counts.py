"""Every whole number of a table for partners is known to the audit: tied to others, told to the nearest ten, or named
as one that stands apart. A table nobody thought of is a failure here."""

from __future__ import annotations

import re

import pytest
from small_districts import D1, partner_copy

from evalkit.disclosure.audit import SHAPES, STEPS, Copy, audit
from evalkit.disclosure.declared import APART, NEAREST_TEN
from evalkit.kernels.notebooks import list_reports

OF_OTHERS = {"impact_study", "celebration", "program_profile"}
"""Reports whose counts are declared table by table elsewhere; a new table of theirs is not caught here yet."""


def undeclared(copy: Copy) -> set[tuple[str, str]]:
    """(table, column) of whole numbers that the audit does not know."""
    found = set()
    for stem, rows in copy.tables.items():
        place = (copy.report, stem)
        shape = SHAPES.get(place)
        known = {*(shape.counts if shape else ()), *STEPS.get(place, ()), *NEAREST_TEN.get(place, ()),
                 *APART.get(place, ())}
        for column in set(rows[0] if rows else ()) - known:
            told = [row[column] for row in rows if row[column] not in ("", "hidden")]
            if told and all(re.fullmatch(r"\d+(\.0)?", text) for text in told):
                found.add((stem, column))
    return found


@pytest.mark.parametrize("report", sorted(set(list_reports()) - OF_OTHERS))
def test_no_count_is_unknown_to_the_audit(report):
    assert undeclared(partner_copy(report, D1, month="2026-01")) == set()


def test_a_new_table_is_unknown_and_an_exact_number_is_found():
    table = {"surprise": [{"label": "x", "n": "12"}]}
    assert undeclared(Copy("c", "s", "monthly_review", "2026-01-30", "", "partner", {}, table)) == {("surprise", "n")}
    for days, is_found in (("124", True), ("120", False), ("hidden", False)):
        copy = Copy("c", "s", "monthly_review", "2026-01-30", "", "partner", {}, {"weekdays": [
            {"day": "Thursday", "n_students": "70", "absent_days": days}]})
        assert bool(audit([copy])) is is_found
