"""The attacker's own arithmetic on copies of small simulated districts: what an outside attack once worked out."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from small_districts import D1, D60, S13, district, number, partner_copy
from told import told

from evalkit import open_study
from evalkit.config import Privacy
from evalkit.disclosure.audit import Copy, audit
from evalkit.programme import fidelity
from evalkit.reports.gate import NOT_RECORDED, Gate
from evalkit.reports.month_release import released_flows
from evalkit.reports.month_where import shown_before
from evalkit.run import read_copy


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


def test_two_weekly_reviews_do_not_tell_one_absence():
    """Thursday: 124 days then 125, 65 students then 66: one student, absent on January 22."""
    first, then = (partner_copy("monthly_review", D1, period="week", as_of=day) for day in ("2026-01-16", "2026-01-23"))
    for one, two in zip(first.tables["weekdays"], then.tables["weekdays"], strict=True):
        assert "enrolled_days" not in two
        for name in ("absent_days", "n_students"):
            if None not in (number(one[name]), number(two[name])):
                assert (number(two[name]) - number(one[name])) % 10 == 0, name
        assert len(two["share"].partition(".")[2]) <= 2, "3,000 days: a tenth of a percent is three days"


def test_days_enrolled_do_not_tell_who_left():
    """147 days at a school of 50 students in a week of three days: 49 stayed."""
    for as_of in ("2026-01-16", "2026-01-23"):
        for row in partner_copy("monthly_review", D1, period="week", as_of=as_of).results["measures"]:
            assert row["n_enrolled_days"] is None and (row["n_absent_days"] or 0) % 10 == 0


def test_students_never_absent_do_not_follow_from_coverage_and_reasons():
    """39 students less the 33 with an absence: 6; 60 asked less 57: 3."""
    copy = partner_copy("barrier_patterns", D1, month="2026-01")
    assert all((number(row["n_students"]) or 0) % 10 == 0 for row in copy.tables["coverage"])
    for row in copy.tables["reasons"]:
        assert "n_students" not in row and number(row["n_all"]) % 10 == 0


def test_a_band_that_did_not_answer_does_not_follow():
    """Rows of 93, 32, 13 and 10 of 148 students: nobody missed half."""
    rows = partner_copy("barrier_patterns", D1, month="2026-01").tables["survey_response"]
    assert "n_roster" not in rows[0] and all((number(row["n_answered"]) or 0) % 10 == 0 for row in rows)
    assert "20% or more" in [row["band"] for row in rows] and len(rows) == 5


def test_students_with_three_supports_do_not_follow_from_the_portfolio():
    """All students times their supports are the portfolio's sum: (472 - 402 - 2 x 32) / 3 = 2."""
    rows = partner_copy("barrier_patterns", D1, month="2026-01").tables["supports_per_student"]
    assert any(number(row["n_students"]) for row in rows)
    assert all((number(row["n_students"]) or 0) % 10 == 0 for row in rows)


def test_what_mentors_did_with_few_students_is_hidden():
    """20 of 70 days at a school: of five students."""
    as_of, start = pd.Timestamp("2026-01-30"), pd.Timestamp("2026-01-01")
    elements = fidelity(open_study(district(D1), as_of="2026-01-30", school="0101"), start=start, end=as_of)
    few = {element.code for element in elements if element.students and min(element.students) < 10 <= element.of}
    told = partner_copy("monthly_review", D1, month="2026-01", school="0101").results["programme"]["elements"]
    assert few and all(row["n"] is row["of"] is row["share"] is None for row in told if row["element"] in few)


@pytest.mark.parametrize("joined", [0, 2, 9, 10])
def test_chronic_students_who_joined_do_not_follow_from_the_moves(joined):
    """637 now, less 529 who stayed over, less 106 who crossed: 2 of the 9 who joined."""
    ids = [f"s{i}" for i in range(700)]
    before = pd.DataFrame({"student_id": ids, "is_chronic": [i < 541 for i in range(700)]})
    now = pd.DataFrame({"student_id": [*ids, *(f"j{i}" for i in range(joined))],
                        "is_chronic": [12 <= i < 647 for i in range(700)] + [True] * joined})
    before, now = (frame.assign(band=frame["is_chronic"].map({True: "moderate", False: "at_risk"}))
                   for frame in (before, now))
    facts = SimpleNamespace(before=before, now=now, window=SimpleNamespace(before=pd.Timestamp("2026-01-01")),
                            last_year={}, whole=(), measures=({"school_id": None, "n_chronic": None},))
    told = released_flows(facts, Gate(Privacy(), "partner"))
    assert (told["n_crossed"], told["n_back_under"], told["n_chronic_now"]) == (106, 12, 635 + joined)
    assert (told["n_stayed_over"] is None) == (0 < joined < 10) and "n_over_joined" not in told
    exact = Copy("c", "s", "monthly_review", "2026-01-30", "", "partner", {"flows": {**told, "n_stayed_over": 529}}, {})
    assert bool(audit([exact])) is (0 < joined < 10)
    assert released_flows(facts, Gate(Privacy(), "team"))["n_stayed_over"] == 529


def test_rows_set_aside_do_not_follow_from_the_totals():
    rows = partner_copy("data_check", D1, month="2026-01").results["rows"]
    assert rows and all(value % 10 == 0 for value in rows.values())


@pytest.mark.parametrize(("smallest", "dots"), [(9, 0), (10, 4)])
def test_a_school_without_a_dot_does_not_follow_from_last_year(smallest, dots):
    """Dots at 15/96, 29/80 and 14/82 beside a sum of 66: the fourth school had 8 or 9."""
    frame = pd.DataFrame({"n_chronic_before": [15, 29, 14, smallest], "n_before": [96, 80, 82, 90]})
    frame["before"] = frame["n_chronic_before"] / frame["n_before"]
    shown = shown_before(frame, Gate(Privacy(), "partner")).dropna()
    assert len(shown) == dots and (100 * shown).round(6).mod(1).eq(0).all()
    assert shown_before(frame, Gate(Privacy(), "team")).tolist() == frame["before"].tolist()


def test_monthly_looks_are_told_to_the_nearest_ten(partner_folders):
    """A look hidden in January's copy stood in December's."""
    copy = read_copy(partner_folders["monthly_review"])
    said = [row[name] for row in copy.tables["looks"] for name in ("n_treated", "n_comparison")]
    said += [copy.results["impact_to_date"][name] for name in ("n_treated", "n_comparison")]
    assert any(number(text) for text in said) and all((number(text) or 0) % 10 == 0 for text in said)


@pytest.fixture(scope="module")
def hidden_month():
    """October of a district of 148 students: today's chronic count is hidden."""
    copy = told("monthly_review", district(D1), "2025-10")
    assert copy.results["measures"][-1]["n_chronic"] is None
    return copy


def test_what_the_bands_hide_the_moves_hide_too(hidden_month):
    """The table said hidden, and results.json, flows, n_chronic_now printed the count."""
    assert hidden_month.tables["bands"][-1]["n_chronic"] == "hidden"
    assert hidden_month.results["flows"]["n_chronic_now"] is None


@pytest.mark.parametrize("size, month", [(D60, "2025-12"), (D60, "2026-02"), (D1, "2025-10"), (S13, "2025-12")])
def test_moves_and_tiles_print_no_count_that_the_bands_hide(size, month):
    """Over small districts: chronic then and now are one number in every place of a copy."""
    copy = told("monthly_review", district(size), month)
    for when, row in zip(("now", "before"), copy.tables["bands"][::-1], strict=False):
        assert copy.results["flows"][f"n_chronic_{when}"] == number(row["n_chronic"])
    assert "hidden of" not in copy.text


def test_a_hidden_tile_says_why_in_words(hidden_month):
    """It read "hidden of hidden students. Last year 19.8%"."""
    tiles = hidden_month.text[:hidden_month.text.index("Students by share of days missed")]
    assert "hidden of" not in tiles
    shown_hidden = tiles.count("hidden") - tiles.count("small groups hidden")  # the masthead
    assert tiles.count("Not shown here, to protect students in small groups.") == shown_hidden > 0


def test_words_do_not_say_what_the_table_hides(hidden_month):
    """ "Keep notes" was hidden, and the page said that every mentor with a student wrote in the log."""
    row = next(row for row in hidden_month.tables["fidelity"] if row["what"] == "Keep notes")
    assert row["share"] == "hidden" and "wrote in the log" not in hidden_month.text


@pytest.mark.parametrize("size, month", [(D60, "2026-02"), (D1, "2025-12")])
def test_the_data_check_counts_no_few_mentors_or_students_without_a_log(size, month):
    """It said "Every one of 27 mentors with students wrote a contact down" where the review hid the same."""
    copy = told("data_check", district(size), month)
    assert copy.results["logs"]["n_silent"] is copy.results["logs"]["n_untold"] is None
    assert "All mentors" not in copy.text and "All students with" not in copy.text and "four add up" not in copy.text


@pytest.mark.parametrize("said, told_others", [
    ("No student is matched; the table assignment would switch this on.", "No student is matched."),
    ("Not compared. The tables enrollment and calendar would switch this on.", "Not compared."),
    ("Zip codes are not in the data; student.zip5 would switch this on. The rest is.",
     "Zip codes are not in the data. The rest is."),
    ("The table contact would switch this on.", NOT_RECORDED),
    ("Referrals to resources are off: the study has no usable data for it. To switch it on: referral.",
     "Referrals to resources are off."),
    ("Barriers are off: the table barrier has no row yet on 2025-09-30; its rows begin later.",
     "Barriers are off: it begins later."),
    ("We looked at 1,565 combinations; none stands out.", "We looked at 1,565 combinations; none stands out."),
])
def test_others_do_not_read_which_table_to_add(said, told_others):
    """Only the team can add a table; a partner reads what is off, and no name of a file."""
    assert Gate(Privacy(), "partner").fixed(said) == told_others
    assert Gate(Privacy(), "team").fixed(said) == said


def test_a_table_withheld_whole_is_one_sentence():
    """Rows of labels without a number, and under them a list of the columns hidden in every row."""
    copy = told("monthly_review", district(D60), "2026-02")
    assert "help" not in copy.tables and "bands" in copy.tables
    after = copy.text[copy.text.index("Referrals, by need"):]
    assert "Not shown here, to protect students in small groups." in after[:200] and "Need, as referred" not in after
