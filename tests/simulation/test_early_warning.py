"""The early-warning figures on a slice, recounted day by day in plain Python; the docs pages are the stored figures."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import early_warning
import monthly_looks_review

from evalkit.panel import daily_panel


@pytest.fixture(scope="module")
def slice_of():
    return early_warning.district("elementary", 9, students=240, schools=2)


def test_hits_notice_and_buckets_are_what_a_plain_recount_says(slice_of) -> None:
    years = defaultdict(list)
    for row in daily_panel(slice_of).itertuples():
        years[row.student_id].append((row.day_number, row.school_id, row.absent_units / row.units))
    last = defaultdict(int)
    for days in years.values():
        for number, school, _ in days:
            last[school] = max(last[school], number)
    whole = {student: [share for *_, share in sorted(days)] for student, days in years.items()
             if len({school for _, school, _ in days}) == 1 and len(days) == last[days[0][1]]}
    chronic = {student for student, missed in whole.items() if 10 * sum(missed) >= len(missed) - 1e-9}
    found = early_warning.measure(slice_of)
    assert (found["n_students"], found["n_chronic"]) == (len(whole), len(chronic))
    assert len(whole) > 150 and len(chronic) > 15
    for name, first, needed in (("W2", 10, 2), ("M1", 20, 2), ("M2", 40, 4)):
        flagged = {student for student, missed in whole.items() if sum(missed[:first]) >= needed}
        row = found["rules"][name]
        assert (row["n_flagged"], row["n_hit"]) == (len(flagged), len(flagged & chronic))
    late = {s: [20 * m for m in range(1, 1 + len(d) // 20) if sum(d[: 20 * m]) >= 2 * m] for s, d in whole.items()}
    assert found["rules"]["2m"]["n_flagged"] == sum(map(bool, late.values()))
    for day in early_warning.PULSE_DAY:
        assert found["rules"][f"pulse{day}"]["n_flagged"] == sum(sum(d[day - 10 : day]) >= 3 for d in whole.values())
    notice = []
    for student in chronic:
        missed = whole[student]
        sign = next((n for n in range(1, 21) if sum(missed[:n]) >= 2), None)
        crossing = next(n for n in range(20, len(missed) + 1) if 10 * sum(missed[:n]) >= n - 1e-9)
        notice += [] if sign is None else [crossing - sign]
    assert sorted(found["rules"]["M1"]["notice_first"]) == sorted(notice)
    september = [sum(missed[:20]) for missed in whole.values()]
    assert [row["n"] for row in found["buckets"].values()] == [
        sum(n < 2 for n in september), sum(2 <= n <= 4 for n in september), sum(n > 4 for n in september)]
    assert sum(row["n_chronic"] for row in found["buckets"].values()) == len(chronic)


def test_the_page_of_early_warning_is_its_stored_figures() -> None:
    stored = json.loads(early_warning.STORED.read_text(encoding="utf-8"))
    assert early_warning.PAGE.read_text(encoding="utf-8") == early_warning.page(stored)


def test_the_page_of_monthly_looks_ends_with_its_stored_figures() -> None:
    stored = json.loads(monthly_looks_review.STORED.read_text(encoding="utf-8"))
    assert monthly_looks_review.PAGE.read_text(encoding="utf-8").endswith(monthly_looks_review.page(stored))


def test_stored_early_warning_beats_chance_and_meets_the_published_september() -> None:
    """Each sign is right more often than a list drawn by lot; buckets lie within what two samples of some hundred
    students and a fitted recipe leave open (data.md: .08/.38/.81 and .08/.45/.90)."""
    stored = json.loads(early_warning.STORED.read_text(encoding="utf-8"))["presets"]
    for found in stored.values():
        assert all(row["lift"] > 1.2 for row in found["rules"].values())
    for preset, published in (("elementary", (0.08, 0.38, 0.81)), ("post", (0.08, 0.45, 0.90))):
        for row, share in zip(stored[preset]["buckets"].values(), published, strict=True):
            assert row["n_chronic"] / row["n"] == pytest.approx(share, abs=0.10)


def test_stored_null_years_keep_their_promise() -> None:
    """At a true 5 % more than 9 % of 120 years would be seen once in 40; whole schools are judged by 5 against 5."""
    worlds = json.loads(monthly_looks_review.STORED.read_text(encoding="utf-8"))["worlds"]
    effects = {world.name: world.effect_days for world in monthly_looks_review.WORLDS}
    null = {name: row for name, row in worlds.items() if effects[name] == 0}
    assert len(null) >= 4 and all(row["years"] >= 100 for row in worlds.values())
    assert all(row["ever_better"] <= 0.09 for row in null.values())


def test_a_few_years_run_through_the_reviews_steps() -> None:
    found = monthly_looks_review.measure(monthly_looks_review.WORLDS[0], 4, seed=3)
    assert found["years"] == 4 and found["n_treated"] > 40 and found["ever_better"] == 0
