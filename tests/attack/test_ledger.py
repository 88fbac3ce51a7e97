"""The auditor is the gate: a copy for others is attacked together with every copy released before it."""

from __future__ import annotations

import shutil
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
from tiny import SECTION, write_notebook

from evalkit.disclosure.audit import Copy, audit
from evalkit.disclosure.ledger import LEDGER, must_stand_beside, note_releases, read_ledger
from evalkit.errors import DisclosureStop, UserError
from evalkit.run import run_report

BANDS = {"satisfactory": 1165, "at_risk": 555, "moderate": 477, "severe": 148, "extreme": 12}
REVIEW = Copy("2026-01/monthly_review-partner", "study", "monthly_review", "2026-01-30", "", "partner",
              {"measures": [{"school_id": None, "n_students": 2357, "n_chronic": 637,
                             **{f"n_{name}": n for name, n in BANDS.items()}}]}, {})


def on_the_roll(less: int, rounded_to: int = 1, as_of: str = "2026-01-30") -> Copy:
    """A breakdown of all but `less` students in each band."""
    counts = {"n_severe": 160 - less, "n_moderate": 477 - less, "n_chronic": 637 - 2 * less, "n_at_risk": 555 - less,
              "n_satisfactory": 1165 - less, "n_students": 2357 - 4 * less}
    rows = [{"group": "all", **{name: str(rounded_to * round(n / rounded_to)) for name, n in counts.items()}}]
    return Copy("2026-01/student_selection-partner", "study", "student_selection", as_of, "", "partner", {},
                {"by_sex": rows}, "", rounded_to)


@pytest.mark.parametrize(("less", "leaks"), [(0, False), (1, True), (9, True), (10, False)])
def test_all_students_less_those_on_the_roll_are_a_group_too(less, leaks):
    assert not audit([on_the_roll(less)]) and not audit([REVIEW])
    assert bool(audit([REVIEW, on_the_roll(less)])) is leaks


def test_counts_rounded_to_ten_tell_nothing_of_the_few_between():
    assert not audit([REVIEW, on_the_roll(4, rounded_to=10)])


def test_a_copy_that_leaks_beside_an_earlier_one_is_stopped(tmp_path):
    note_releases(tmp_path, [REVIEW])
    earlier = list(read_ledger(tmp_path).values())
    with pytest.raises(DisclosureStop) as stopped:
        must_stand_beside(on_the_roll(4), earlier)
    assert stopped.value.exit_code == 3 and stopped.value.remedy and stopped.value.culprits
    must_stand_beside(on_the_roll(10), earlier)
    must_stand_beside(on_the_roll(4, as_of="2026-03-01"), earlier)  # another day: nothing to subtract


def test_what_was_wrong_before_does_not_stop_a_copy_that_adds_nothing(tmp_path):
    leak = replace(on_the_roll(4), name="old")
    note_releases(tmp_path, [REVIEW, leak])
    other = Copy("c", "study", "data_check", "2026-01-30", "", "partner", {}, {})
    must_stand_beside(other, list(read_ledger(tmp_path).values()))


def test_the_ledger_is_private_grows_only_and_holds_no_copy_twice(tmp_path):
    note_releases(tmp_path, [REVIEW])
    first = (tmp_path / LEDGER).read_bytes()
    note_releases(tmp_path, [REVIEW])
    assert (tmp_path / LEDGER).read_bytes() == first
    note_releases(tmp_path, [on_the_roll(10)])
    assert (tmp_path / LEDGER).read_bytes().startswith(first) and len(read_ledger(tmp_path)) == 2
    assert stat.S_IMODE((tmp_path / LEDGER).stat().st_mode) == 0o600


def test_a_broken_ledger_stops_in_words(tmp_path):
    (tmp_path / LEDGER).write_text("{")
    with pytest.raises(UserError, match="release ledger"):
        read_ledger(tmp_path)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path)
    return tmp_path


def test_every_copy_for_others_is_noted_and_none_for_the_team(place):
    run_report("tiny", "data", out="reports")
    assert not (place / "reports" / "data" / LEDGER).exists()
    for audience in ("partner", "public"):
        run_report("tiny", "data", params={"audience": audience}, out="reports")
    assert sorted(c.audience for c in read_ledger(place / "reports" / "data").values()) == ["partner", "public"]


def test_a_copy_that_gives_a_small_group_away_is_never_written(place):
    leak = SECTION.replace("n_rows=n_rows", "n_students=n_rows")
    write_notebook(place, leak, "ek.publish(params, [opening])")
    with pytest.raises(DisclosureStop):
        run_report("tiny", "data", params={"audience": "partner"}, out="reports")
    assert not list((place / "reports").rglob("results.json"))
    run_report("tiny", "data", params={"audience": "partner", "n_rows": 30}, out="reports")


def test_a_removed_copy_is_not_forgotten(place):
    folder = run_report("tiny", "data", params={"audience": "partner"}, out="reports")
    shutil.rmtree(folder)
    assert len(read_ledger(place / "reports" / "data")) == 1


def test_a_threshold_inside_a_band_leaves_no_small_part_of_it():
    """Of 50 students at 10 to 20 %, 3 are over a threshold of 15 %: chronic less the bands above it would tell."""
    from types import SimpleNamespace

    from evalkit.config import Privacy
    from evalkit.reports.gate import Gate
    from evalkit.reports.month_release import released_measures
    from evalkit.rules import Rules

    def row(school, over):
        bands = {"n_satisfactory": 200, "n_at_risk": 100, "n_moderate": 50, "n_severe": 30, "n_extreme": 20}
        return {"school_id": school, "n_students": 400, "n_enrolled_days": 9.0, "n_absent_days": 1.0, "ada": 0.9,
                "n_chronic": 50 + over, **bands}

    for over, is_shown in ((3, False), (25, True), (47, False)):
        facts = SimpleNamespace(measures=(row("A", over), row(None, over)), whole=(), rules=Rules(threshold=0.15))
        one = released_measures(facts, Gate(Privacy(), "partner"))[0]
        told = [one[name] for name in ("n_chronic", "n_severe", "n_extreme")]
        assert (None not in told) is is_shown, (over, one)
        assert not set(one) & {"n_cut_over", "n_cut_under"}
