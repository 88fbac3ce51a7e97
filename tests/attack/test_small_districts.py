"""The attacker's own arithmetic on copies of small simulated districts: what an outside attack once worked out."""

from __future__ import annotations

from small_districts import D1, number, partner_copy


def test_a_total_of_hidden_parts_is_rounded_by_itself():
    """148 students, 26 of them chronically absent: the page said "All 100", "10% or more: 0"."""
    copy = partner_copy("student_selection", D1, month="2026-01")
    for stem, rows in copy.tables.items():
        whole = next((row for row in rows if row.get("group") in ("all", "All")), None) if stem[:3] == "by_" else None
        if whole is None:
            continue
        assert number(whole["n_students"]) in (None, 150), stem
        assert number(whole["n_chronic"]) in (None, 20, 30), stem
        for column in ("n_severe", "n_moderate", "n_chronic", "n_at_risk", "n_satisfactory", "n_students"):
            parts = [number(row[column]) for row in rows if row is not whole]
            if number(whole[column]) is not None and None not in parts:
                assert abs(number(whole[column]) - sum(parts)) <= 5 * (len(parts) + 1), (stem, column)
