"""The landmark comparison against a day-by-day, row-by-row reading of its definition, on small random worlds."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pandas as pd
import pytest
from panel_world import calendar, days_of, texts, world

from evalkit.comparison import choose_comparison, landmark_comparison
from evalkit.config import AnalysisPlan
from evalkit.errors import UserError
from evalkit.rules import UNITS_PER_DAY

FIRST, N_DAYS = "2025-09-01", 110
DAYS = pd.bdate_range(FIRST, periods=N_DAYS)
PLAN = AnalysisPlan(distance="logit", covariates=("prior_absence_rate", "pre_absence_rate", "english_learner"))


def made_world(seed: int, *, n: int = 70, mentored: int = 18, starts=None, schools=("S1", "S2")):
    """Students with transfers, late entries and exits; mentors begin on any date, week-ends too."""
    rng = np.random.default_rng(seed)
    ids = [f"s{i:03d}" for i in range(n)]
    proneness = rng.beta(1.5, 9, n)
    span_rows, event_rows = [], []
    for i, student in enumerate(ids):
        home = schools[i % len(schools)]
        entry = DAYS[0] if rng.random() < 0.8 else DAYS[int(rng.integers(1, 40))]
        leave = None if rng.random() < 0.8 else DAYS[int(rng.integers(45, N_DAYS))]
        if rng.random() < 0.2 and len(schools) > 1:
            change = int(rng.integers(30, 80))
            span_rows += [(student, home, entry, DAYS[change - 1]),
                          (student, schools[(i + 1) % len(schools)], DAYS[change + int(rng.integers(0, 3))], leave)]
        else:
            span_rows.append((student, home, entry, leave))
    span_rows = [row for row in span_rows if row[3] is None or row[2] <= row[3]]
    seen = set()
    for student, school, entry, leave in span_rows:
        for day in DAYS[(entry <= DAYS) & (leave is None or leave >= DAYS)]:
            if rng.random() < proneness[ids.index(student)] and (student, day) not in seen:
                seen.add((student, day))
                event_rows.append((student, school, day, "AU" if rng.random() < 0.8 else "HD"))
    need = proneness + rng.normal(0, 0.05, n)
    chosen = [ids[i] for i in np.argsort(-need)[: 2 * mentored : 2]]
    begins = [pd.Timestamp(FIRST) + pd.Timedelta(days=int(rng.integers(20, 110))) for _ in chosen]
    begins = begins if starts is None else [pd.Timestamp(starts)] * len(chosen)
    waits = [begin - pd.Timedelta(days=int(rng.integers(0, 12))) for begin in begins]
    assignment = pd.DataFrame({"student_id": texts(chosen), "mentor_id": texts(["m"] * len(chosen)),
                               "begin_date": days_of(begins), "assigned_date": days_of(waits),
                               "assigned_by": texts(rng.choice(["referral", "waitlist"], len(chosen)))})
    prior = pd.DataFrame({"student_id": texts(ids), "school_year": texts(["2025"] * n), "days_enrolled": 180.0,
                          "days_absent": np.round(180 * np.clip(proneness + rng.normal(0, 0.03, n), 0, 0.9))})
    student = pd.DataFrame({"student_id": texts(ids), "grade_level": texts(rng.choice(["06", "07"], n)),
                            "english_learner": pd.array(rng.random(n) < 0.4, dtype="boolean")})
    tables = {"assignment": assignment, "prior_year": prior[rng.random(n) < 0.9], "student": student}
    last = {school: DAYS[-1] for school in schools}
    return world(event_rows, span_rows, days=calendar(schools, FIRST, N_DAYS), tables=tables, complete_through=last,
                 as_of=DAYS[-1])


class Diary:
    """Every enrolled school day of every student, kept as a plain dictionary."""

    def __init__(self, study) -> None:
        t = study.tables
        self.spans = [(r.student_id, r.school_id, r.entry_date, r.exit_date if pd.notna(r.exit_date) else DAYS[-1])
                      for r in t["enrollment"].itertuples()]
        self.school = {(s, d): school for s, school, a, b in self.spans for d in DAYS[(a <= DAYS) & (b >= DAYS)]}
        self.missed = {(r.student_id, r.date): 1.0 if r.code_local == "AU" else 0.5
                       for r in t["attendance_event"].itertuples()}
        self.begin = {r.student_id: r.begin_date for r in t["assignment"].itertuples()}
        self.assigned = {r.student_id: r.assigned_date for r in t["assignment"].itertuples()}
        self.students = sorted({s for s, *_ in self.spans})

    def window(self, student, start, end):
        days = [d for d in DAYS if start <= d <= end and (student, d) in self.school]
        return len(days), sum(self.missed.get((student, d), 0.0) for d in days)

    def landmark(self, student, begin):
        return next((d for d in DAYS if d >= begin and (student, d) in self.school), None)


def expected_rows(study, plan):
    """(student, landmark, treated) of every row at risk, by the definition."""
    diary = Diary(study)
    clock = diary.assigned if plan.clock == "assigned" else diary.begin
    marks = {s: diary.landmark(s, clock[s]) for s in clock}
    treated = {(s, d) for s, d in marks.items() if d is not None}
    rows = {(s, d, 1) for s, d in treated}
    for mentee, day in treated:
        for student in diary.students:
            if (student, day) not in diary.school or diary.school[student, day] != diary.school[mentee, day]:
                continue
            if student in clock and (clock[student] <= day or plan.later_assigned == "exclude"):
                continue
            rows.add((student, day, 0))
    return diary, clock, rows


SETTINGS = [{}, {"clock": "assigned"}, {"later_assigned": "exclude"}, {"ratio": 2, "caliper": 0.5},
            {"ratio": 2, "replace": True}, {"order": "smallest", "exact": ("grade_level",)},
            {"follow_up_end": "2026-01-09"}]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("changes", SETTINGS[:3], ids=str)
def test_who_is_at_risk_and_what_is_known_of_them(seed, changes):
    study, plan = made_world(seed), dc.replace(PLAN, **changes)
    made = landmark_comparison(study, plan).students
    diary, _, rows = expected_rows(study, plan)
    assert set(zip(made["student_id"], made["landmark"], made["treated"], strict=True)) == rows
    for row in made.sample(200, random_state=1, replace=True).itertuples():
        days, missed = diary.window(row.student_id, DAYS[0], row.landmark - pd.Timedelta(days=1))
        assert row.pre_absence_rate == pytest.approx(missed / days) if days >= 15 else np.isnan(row.pre_absence_rate)
        assert row.school_id == diary.school[row.student_id, row.landmark]


def greedy(made, plan, study):
    """Sets by the definition, from the scores of the rows at risk: lists of (treated row, partner rows)."""
    rows = made.drop_duplicates(["student_id", "landmark", "treated"]).reset_index(drop=True)
    width = np.inf if plan.caliper is None else plan.caliper * rows["distance"].std(ddof=1)
    treated = rows[(rows["treated"] == 1) & rows["distance"].notna()]
    sign = -1 if (plan.order or "largest") == "largest" else 1
    order = sorted(treated.itertuples(), key=lambda r: (sign * r.distance, r.landmark, r.student_id))
    pool = rows[(rows["treated"] == 0) & rows["distance"].notna()]
    sets, used = {r.Index: [] for r in order}, set()
    for _ in range(plan.ratio):
        for row in order:
            same = pool[(pool["landmark"] == row.landmark) & (pool["school_id"] == row.school_id)]
            for name in plan.exact:
                same = same[same[name] == getattr(row, name)]
            taken = {p.student_id for p in sets[row.Index]} | (set() if plan.replace else used)
            near = [(abs(p.distance - row.distance), p.distance, p) for p in same.itertuples()
                    if p.student_id not in taken and abs(p.distance - row.distance) <= width]
            if near:
                partner = min(near, key=lambda found: found[:2])[2]
                sets[row.Index].append(partner)
                used.add(partner.student_id)
    return {row: sets[row.Index] for row in order if sets[row.Index]}


@pytest.mark.parametrize("seed", range(3, 6))
@pytest.mark.parametrize("changes", SETTINGS, ids=str)
def test_sets_censoring_attrition_and_weights(seed, changes):
    study, plan = made_world(seed), dc.replace(PLAN, **changes)
    made = landmark_comparison(study, plan)
    diary, clock, _ = expected_rows(study, plan)
    planned = pd.Timestamp(plan.follow_up_end) if plan.follow_up_end else DAYS[-1]
    expected, members, short = set(), {1: set(), 0: set()}, {1: set(), 0: set()}
    for row, partners in greedy(made.students, plan, study).items():
        end = min([planned] + [clock[p.student_id] - pd.Timedelta(days=1) for p in partners if p.student_id in clock])
        seen = {m.student_id: diary.window(m.student_id, m.landmark, end) for m in [row, *partners]}
        for member, arm in [(row, 1)] + [(p, 0) for p in partners]:
            members[arm].add(member.student_id)
            short[arm] |= {member.student_id} if seen[member.student_id][0] < 20 else set()
        kept = [p for p in partners if seen[p.student_id][0] >= 20]
        if seen[row.student_id][0] < 20 or not kept:
            continue
        for member, weight in [(row, 1.0)] + [(p, 1 / len(kept)) for p in kept]:
            days, missed = seen[member.student_id]
            expected.add((row.student_id, member.student_id, member.landmark, round(weight, 12), days,
                          round(missed * UNITS_PER_DAY), min(end, DAYS[-1])))
    used = made.used
    heads = used[used["treated"] == 1].set_index("subclass")["student_id"]
    found = set(zip(used["subclass"].map(heads), used["student_id"], used["landmark"], used["weight"].round(12),
                    used["n_days"], used["absent_units"], used["follow_up_end"], strict=True))
    assert found == expected
    assert len(expected) > 8
    for arm, name in ((1, "treated"), (0, "comparison")):
        gone = members[arm] - set(used.loc[used["treated"] == arm, "student_id"])
        counts = made.details["attrition"][name]
        assert counts == {"n": len(members[arm]), "lost": len(gone & short[arm]), "with_set": len(gone - short[arm])}
        steps = made.flow.set_index("step")[name]
        assert counts["lost"] + counts["with_set"] == steps["matched"] - steps["with 20 enrolled days of follow-up"]
    if not plan.replace:
        assert not used.loc[used["treated"] == 0, "student_id"].duplicated().any()


def test_everybody_mentored_is_accounted_for():
    study = made_world(1)
    made = landmark_comparison(study, dc.replace(PLAN, caliper=0.3))
    gone = made.dropped[made.dropped["treated"] == 1]["student_id"]
    kept = made.used[made.used["treated"] == 1]["student_id"]
    assert sorted([*gone, *kept]) == sorted(study.tables["assignment"]["student_id"])
    assert made.flow["treated"].is_monotonic_decreasing and made.flow["comparison"].is_monotonic_decreasing


@pytest.mark.parametrize("order", ["largest", "smallest", "closest"])
def test_one_landmark_gives_the_pairs_of_choose_comparison(order):
    """Whose pairs are MatchIt's (tests/golden)."""
    study = made_world(9, starts="2025-11-04")
    made = landmark_comparison(study, dc.replace(PLAN, ratio=2, order=order, caliper=0.6, covariates=(
        "prior_absence_rate", "pre_absence_rate")))
    rows = made.students.drop(columns=["treated", "weight", "subclass", "distance"])
    rows = rows.assign(mentored=made.students["treated"]).drop_duplicates("student_id").reset_index(drop=True)
    plain = choose_comparison(rows, treated="mentored", covariates=["prior_absence_rate", "pre_absence_rate"],
                              distance="logit", exact="school_id", ratio=2, order=order, caliper=0.6)
    ids = rows["student_id"].to_numpy()
    pairs = set(zip(ids[plain.pairs["treated_row"]], ids[plain.pairs["partner_row"]], strict=True))
    students = made.students["student_id"].to_numpy()
    found = set(zip(students[made.pairs["treated_row"]], students[made.pairs["partner_row"]], strict=True))
    short = set(made.dropped.loc[made.dropped["reason"].str.contains("follow-up"), "student_id"])
    assert found == {pair for pair in pairs if not short & set(pair)}
    assert len(found) > 10


def test_row_order_of_the_tables_plays_no_part():
    study = made_world(2)
    shuffled = dc.replace(study, tables={name: table.sample(frac=1, random_state=3) for name, table in
                                         study.tables.items()})
    first, second = (landmark_comparison(each, dc.replace(PLAN, ratio=2)).students for each in (study, shuffled))
    pd.testing.assert_frame_equal(first, second)


def test_a_baseline_date_is_the_landmark_of_all():
    study = made_world(4)
    made = landmark_comparison(study, dc.replace(PLAN, baseline="2025-11-01"))  # a Saturday
    assert made.students["landmark"].unique().tolist() == [pd.Timestamp("2025-11-03")]
    begin = study.tables["assignment"].set_index("student_id")["begin_date"]
    assert (begin[made.students.query("treated == 1")["student_id"]] >= pd.Timestamp("2025-11-01")).all()
    assert not made.students.query("treated == 0")["student_id"].isin(begin.index).any()
    early = made.dropped[made.dropped["reason"] == "the mentor began before the baseline date"]["student_id"]
    assert set(early) == set(begin.index[begin < pd.Timestamp("2025-11-01")])


def test_eligible_uses_only_what_was_known():
    study = made_world(5)
    made = landmark_comparison(study, dc.replace(PLAN, eligible="prior_chronic")).students
    assert made.loc[made["treated"] == 0, "prior_chronic"].all()
    made = landmark_comparison(study, dc.replace(PLAN, eligible="early_warning")).students
    from evalkit.measures import early_warning
    flagged = early_warning(study).groupby("student_id")["flagged_on"].min()
    rows = made[made["treated"] == 0]
    assert (flagged.reindex(rows["student_id"]).to_numpy() < rows["landmark"].to_numpy()).all()


def test_comparison_schools_and_waitlist():
    study = made_world(6, schools=("S1", "S2", "S3", "S4"))
    home = study.tables["enrollment"].drop_duplicates("student_id").set_index("student_id")["school_id"]
    assigned = study.tables["assignment"]
    inside = assigned[home[assigned["student_id"]].isin(["S1", "S2"]).to_numpy()]
    schools = pd.DataFrame({"school_id": texts(["S1", "S2", "S3", "S4"]), "district_id": texts([None] * 4),
                            "programme_school": pd.array([True, True, False, False], dtype="boolean")})
    other = dc.replace(study, tables={**study.tables, "assignment": inside, "school": schools})
    made = landmark_comparison(other, dc.replace(PLAN, comparison="comparison_schools")).students
    assert set(made.loc[made["treated"] == 0, "school_id"]) <= {"S3", "S4"}
    with pytest.raises(UserError, match="cannot be equal on school_id"):
        landmark_comparison(other, dc.replace(PLAN, comparison="comparison_schools", exact=("school_id",)))
    waiting = landmark_comparison(made_world(6, mentored=25), dc.replace(
        PLAN, comparison="waitlist", covariates=("pre_absence_rate",))).students
    table = made_world(6, mentored=25).tables["assignment"].set_index("student_id")
    rows = waiting[waiting["treated"] == 0]
    mine = table.loc[rows["student_id"]]
    assert (mine["begin_date"].to_numpy() > rows["landmark"].to_numpy()).all()
    on_list = mine["assigned_by"].eq("waitlist").to_numpy()
    assert (on_list | (mine["assigned_date"].to_numpy() <= rows["landmark"].to_numpy())).all()


def test_prior_cohort_stands_on_the_same_school_day_a_year_earlier_and_carries_its_banner():
    from types import SimpleNamespace

    from evalkit.rules import Rules
    from evalkit.simulate import simulate_district
    tables = simulate_district(n_students=500, n_schools=2, effect_days=0.0, seed=3, records=False)
    end = pd.Timestamp("2026-03-31")
    study = SimpleNamespace(tables=dict(tables), rules=Rules(), school_year=2026, as_of=end, school="",
                            complete_through=dict.fromkeys(tables["school"]["school_id"], end), can=frozenset())
    made = landmark_comparison(study, AnalysisPlan(comparison="prior_cohort", covariates=("pre_absence_rate",)))
    assert any("confound" in remark for remark in made.remarks)
    used = made.used
    others = used[used["treated"] == 0]
    days = tables["calendar"][tables["calendar"]["is_instructional"].fillna(False).astype(bool)]
    for row in others.itertuples():
        mine = days[(days["school_id"] == row.school_id) & days["date"].between("2025-07-01", row.landmark)]
        theirs = days[(days["school_id"] == row.school_id) & days["date"].between("2024-07-01", row.own_landmark)]
        assert mine["date"].nunique() == theirs["date"].nunique()
    assert (others["follow_up_end"] < pd.Timestamp("2025-07-01")).all()
    whole = used.groupby(["subclass", "treated"])["n_days"].first().unstack()
    assert (whole[0] - whole[1]).median() == 0  # the same number of school days is followed in both years
    assert not set(others["student_id"]) & set(used.loc[used["treated"] == 1, "student_id"])
    assert len(others) > 5


def test_large_studies_measure_covariates_by_week_and_say_so():
    study = made_world(8)
    made = landmark_comparison(study, PLAN, group_above=10)
    assert any("week" in remark for remark in made.remarks)
    diary = Diary(study)
    for row in made.students.sample(100, random_state=1).itertuples():
        monday = row.landmark - pd.Timedelta(days=row.landmark.dayofweek)
        days, missed = diary.window(row.student_id, DAYS[0], monday - pd.Timedelta(days=1))
        assert row.pre_absence_rate == pytest.approx(missed / days) if days >= 15 else np.isnan(row.pre_absence_rate)


@pytest.mark.parametrize("method", ["weighting", "entropy", "none", "exact", "cem", "subclass", "full"])
def test_other_methods_work_on_the_rows_at_risk(method):
    study = made_world(7)
    covariates = ("english_learner",) if method == "exact" else ("pre_absence_rate", "english_learner")
    plan = dc.replace(PLAN, method=method, covariates=covariates, distance="propensity")
    used = landmark_comparison(study, plan).used
    diary = Diary(study)
    late = used[(used["treated"] == 0) & used["student_id"].isin(diary.begin)]
    assert (late["follow_up_end"].to_numpy() < late["student_id"].map(diary.begin).to_numpy()).all()
    assert (used["n_days"] >= 20).all()


@pytest.mark.parametrize(("changes", "says"), [
    ({"covariates": ("absence_rate",)}, "measured after the start"), ({"covariates": ("prior_rate",)}, "Did you mean"),
    ({"estimand": "ATE"}, "Use one of: ATT"),
    ({"comparison": "somewhere"}, "within_school"), ({"caliper": 1e-14}, "drops every treated student"),
    ({"follow_up_end": "2025-09-20"}, "20 enrolled school days"), ({"exact": ("pre_absence_rate",)}, "exact names"),
    ({"comparison": "waitlist", "later_assigned": "exclude"}, "censor")], ids=str)
def test_plans_that_cannot_be_done_are_refused(changes, says):
    with pytest.raises(UserError, match=says) as caught:
        landmark_comparison(made_world(1), dc.replace(PLAN, **changes))
    assert caught.value.remedy


@pytest.mark.parametrize(("gone", "says"), [("assignment", "no table assignment"), ("attendance_event", "no table")])
def test_missing_tables_are_named(gone, says):
    study = made_world(1)
    bare = dc.replace(study, tables={name: table for name, table in study.tables.items() if name != gone})
    with pytest.raises(UserError, match=says):
        landmark_comparison(bare, PLAN)
