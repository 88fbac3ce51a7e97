"""The did.*, csdid.*, fixest.*, twfe.* and did2s.* entries of the golden set."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from effects_reference import CLOSED, ITERATED, entries, place, r_entry

from evalkit.estimators import Estimate, estimate

COVARIATES = ["prior_rate", "frl", "sped", "ell"]


@cache
def _monthly() -> pd.DataFrame:
    students = pd.read_csv(place("students.csv"), dtype={"student_id": str})
    months = pd.read_csv(place("monthly.csv"), dtype={"student_id": str}).merge(students, on="student_id")
    months["y"] = months["days_absent"] / months["days_enrolled"]
    months["first_treated"] = months["match_month"].fillna(0).astype(int)
    months["prior_rate"] = months["prior_days_absent"] / months["prior_days_enrolled"]
    return months


def monthly() -> pd.DataFrame:
    """All rows."""
    return _monthly().copy()


def balanced() -> pd.DataFrame:
    """Students with all ten months and a prior-year rate."""
    rows = _monthly()
    return rows[(rows.groupby("student_id")["month"].transform("size") == 10) & rows["prior_rate"].notna()].copy()


def run(panel: pd.DataFrame, estimator: str, **options: Any) -> Estimate:
    return estimate(panel, estimator=estimator, outcome=options.pop("outcome", "y"), **options)


def staggered(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The golden entry and our options, from a name like did.cov.notyettreated.ipw.varying.anticip0."""
    _, covariates, control, method, base, *rest = name.split(".")
    return r_entry(name) if name.startswith("did.") else entries()["Python", name], {
        "covariates": COVARIATES if covariates == "cov" else [], "method": method, "base_period": base,
        "control_group": {"nevertreated": "never", "notyettreated": "notyet"}[control],
        "anticipation": int(rest[0][-1]) if rest else 0}


def names(prefix: str) -> list[str]:
    try:
        return sorted({name for _, name in entries() if name.startswith(prefix) and len(name.split(".")) > 4
                       and "cluster_school" not in name})
    except pytest.skip.Exception:
        return []


def close(found: Any, wanted: Any, rel: float) -> None:
    assert np.array(found, float) == pytest.approx(np.array(wanted, float), rel=rel, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", [*names("did."), *names("csdid.")])
def test_group_time_effects(name: str) -> None:
    golden, options = staggered(name)
    tolerance = CLOSED if not options["covariates"] else ITERATED
    if name.startswith("csdid.") and options["method"] == "ipw":
        tolerance = 1e-6  # csdid's own ipw cells are up to 4.4e-10 (2e-7 relative) off R's did, which we meet at 1e-7
    found = run(balanced(), "callaway_santanna", **options)
    table = pd.DataFrame(found.details["group_time"])
    assert table["group"].tolist() == golden["group"] and table["time"].tolist() == golden["t"]
    close(table["att"], golden["att"], tolerance)
    close(table["standard_error"], golden["se"], tolerance)
    kinds = {"simple": "simple", "event": "dynamic", "group": "group_agg" if "group_agg" in golden else "group",
             "calendar": "calendar"}
    for ours, theirs in kinds.items():
        if not isinstance(golden[theirs], dict):
            continue
        one, wanted = found.details["aggregates"][ours], golden[theirs]
        close(one["overall"], wanted["overall_att"], tolerance)
        close(one["overall_standard_error"], wanted["overall_se"], tolerance)
        if ours != "simple":
            close(one["egt"], wanted["egt"], tolerance)
            close(one["att"], wanted.get("att", wanted.get("att_egt")), tolerance)
            close(one["standard_error"], wanted.get("se", wanted.get("se_egt")), tolerance)


@pytest.mark.parametrize("name", names("did."))
def test_event_window_and_pre_test(name: str) -> None:
    golden, options = staggered(name)
    tolerance = CLOSED if not options["covariates"] else ITERATED
    found = run(balanced(), "callaway_santanna", aggregate="event", first_event=-3, last_event=3, **options)
    wanted = golden["dynamic_m3_p3"]
    close([found.value, found.standard_error], [wanted["overall_att"], wanted["overall_se"]], tolerance)
    close(found.details["chosen"]["att"], wanted["att"], tolerance)
    if golden.get("wald"):
        close(found.details["pre_test"]["wald"], np.ravel(golden["wald"])[0], 1e-6)  # a matrix is inverted on the way
        close(found.details["pre_test"]["p_value"], np.ravel(golden["wald_p"])[0], 1e-4)  # printed with five digits


@pytest.mark.parametrize("kind", ["none", "cov"])
def test_influence_is_summed_per_school(kind: str) -> None:
    golden = r_entry(f"did.{kind}.nevertreated.dr.simple.cluster_school")
    covariates = COVARIATES if kind == "cov" else []
    found = run(balanced(), "callaway_santanna", covariates=covariates, clustered_by="school")
    assert found.standard_error == pytest.approx(golden["se_school_sum"], rel=ITERATED if covariates else CLOSED)
    assert found.df == golden["G"] - 1


def test_unbalanced_panel() -> None:
    golden = r_entry("did.none.nevertreated.unbalanced")
    rows = monthly()
    found = run(rows[rows["prior_rate"].notna()], "callaway_santanna")
    table = pd.DataFrame(found.details["group_time"])
    close(table["att"], golden["att"], CLOSED)
    close(table["standard_error"], golden["se"], CLOSED)
    for ours, theirs in (("simple", "simple"), ("event", "dynamic")):
        one = found.details["aggregates"][ours]
        close([one["overall"], one["overall_standard_error"]],
              [golden[theirs]["overall_att"], golden[theirs]["overall_se"]], CLOSED)


@pytest.mark.parametrize(("name", "by"), [("fixest.twfe.id", None), ("fixest.twfe.sch", "school")])
def test_two_way_fixed_effects(name: str, by: str | None) -> None:
    golden = r_entry(name)
    found = run(balanced(), "twfe", clustered_by=by)
    close([found.value, found.standard_error, found.df], [golden["b"], golden["se"], golden["df_t"]], CLOSED)
    assert found.p_value == pytest.approx(golden["p"], rel=1e-6)  # a tail of 1e-13 magnifies the last digits of t
    assert any("staggered" in caveat for caveat in found.caveats)
    other = entries()["Python", name.removeprefix("fixest.")]
    close([found.value, found.standard_error], [other["b"], other["se"]], CLOSED)


def test_two_way_fixed_effects_weighted_unbalanced() -> None:
    golden = r_entry("fixest.twfe.weighted.unbalanced")
    found = run(monthly().assign(weight=lambda rows: rows["days_enrolled"]), "twfe")
    close([found.value, found.standard_error], [golden["b"], golden["se"]], CLOSED)
    assert found.details["n_rows"] == golden["n"]


@pytest.mark.parametrize(("name", "by"), [("fixest.sunab.id", None), ("fixest.sunab.sch", "school")])
def test_sun_abraham(name: str, by: str | None) -> None:
    golden = r_entry(name)
    found = run(balanced(), "sun_abraham", clustered_by=by)
    close([found.value, found.standard_error], [golden["att"], golden["se"]], CLOSED)
    events = [f"month::{step}" for step in found.details["event"]]
    assert events == list(golden["event"])
    close(found.details["event_att"], list(golden["event"].values()), CLOSED)
    close(found.details["event_standard_error"], list(golden["event_se"].values()), CLOSED)


def test_two_way_fixed_effects_jackknife_over_schools() -> None:
    """pyfixest's CRV3, and every school left out by hand."""
    found = run(balanced(), "twfe", clustered_by="school", standard_errors="CR3")
    golden = entries()["Python", "twfe.sch.CRV3"]
    close([found.value, found.standard_error], [golden["b"], golden["se"]], CLOSED)
    rows = balanced()
    alone = [run(rows[rows["school"] != school], "twfe").value for school in rows["school"].unique()]
    rank = 1 + 9 + 1  # treated, periods, and one level of units nested in schools
    factor = 6 / 5 * (len(rows) - 1) / (len(rows) - rank)
    assert found.standard_error == pytest.approx(np.sqrt(factor * sum((one - found.value) ** 2 for one in alone)),
                                                 rel=CLOSED)


def test_saturated_event_study_is_the_same_as_sun_abraham() -> None:
    golden = entries()["Python", "saturated.sunab.id"]
    found = run(balanced(), "sun_abraham")
    assert found.details["event"] == [int(step) for step in golden["rel"]]
    close(found.details["event_att"], golden["est"], CLOSED)
    close(found.details["event_standard_error"], golden["se"], CLOSED)


@pytest.mark.parametrize(("name", "by"), [("did2s.static.id", None), ("did2s.static.sch", "school")])
def test_did2s(name: str, by: str | None) -> None:
    golden = r_entry(name)
    found = run(balanced(), "did2s", clustered_by=by)
    close([found.value, found.standard_error], [golden["b"], golden["se"]], CLOSED)


def test_did2s_event_study() -> None:
    golden = r_entry("did2s.event.id")
    found = run(balanced(), "did2s")
    assert [f"rel::{step}" for step in found.details["event"]] == list(golden["b"])
    close(found.details["event_att"], list(golden["b"].values()), CLOSED)
    close(found.details["event_standard_error"], list(golden["se"].values()), CLOSED)


@pytest.mark.parametrize(("name", "by"), [("fixest.fepois.offset", None), ("fixest.fepois.offset.sch", "school")])
def test_panel_poisson(name: str, by: str | None) -> None:
    golden = r_entry(name)
    found = run(monthly(), "panel_poisson", outcome="days_absent", exposure="days_enrolled", clustered_by=by)
    close([found.value, found.standard_error], [golden["b"], golden["se"]], ITERATED)
    assert found.details["n_rows"] == golden["n"]


def small_cohort() -> pd.DataFrame:
    """Eight months, starts in month 4, 5 and 6; three students start in month 5, with an effect nobody could miss."""
    rng = np.random.default_rng(7)
    first = np.repeat([0, 4, 5, 6], [60, 50, 3, 50])
    n = len(first)
    rows = pd.DataFrame({"student_id": np.repeat(np.arange(1, n + 1), 8), "month": np.tile(np.arange(1, 9), n),
                         "first_treated": np.repeat(first, 8)})
    on = (rows["first_treated"] > 0) & (rows["month"] >= rows["first_treated"])
    shift = np.where(rows["first_treated"] == 5, -0.5, -0.03) * on
    return rows.assign(absence_rate=0.3 + shift + 0.02 * rng.standard_normal(len(rows)))


@pytest.mark.parametrize(("control", "theirs"), [("notyet", "notyettreated"), ("never", "nevertreated")])
def test_a_cohort_too_small_for_a_number_is_a_comparison_only_until_its_own_start(control: str, theirs: str) -> None:
    """R's did 2.3.0 on the same rows (small_cohort.R): every cell of the other cohorts is the same."""
    wanted = pd.read_json(Path(__file__).with_name("small_cohort.json"))
    wanted = wanted[(wanted["control"] == theirs) & (wanted["group"] != 5)]
    rows = small_cohort()
    found = estimate(rows, estimator="callaway_santanna", control_group=control)
    table = pd.DataFrame(found.details["group_time"])
    assert table.loc[table["group"] == 5, "att"].isna().all() and found.n_treated == 100
    table = table[table["group"] != 5]
    assert table["time"].tolist() == wanted["t"].tolist()
    close(table["att"], wanted["att"], CLOSED)
    close(table["standard_error"], wanted["se"], CLOSED)
    gone = estimate(rows[rows["first_treated"] != 5], estimator="callaway_santanna", control_group=control)
    after = (table["time"] >= 5).to_numpy()  # from its own start on it changes nothing
    close(table["att"][after], pd.DataFrame(gone.details["group_time"])["att"][after], CLOSED)
