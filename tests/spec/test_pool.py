"""evalkit pool: sites' files in, one page out; what cannot be said with few sites; files that are refused."""

import json

import pandas as pd
import pytest

from evalkit.errors import UserError
from evalkit.pooling import pool_effects, read_effects
from evalkit.reports import impact_pool

SITES = {"Ash": (-0.020, 0.008), "Birch": (-0.012, 0.006), "Cedar": (0.004, 0.009), "Dogwood": (-0.030, 0.012)}


def site_file(folder, name, *, value=None, unit="share", **changes):
    effect = {"analysis": "main", "outcome": "absence_rate", "unit": unit, "value": SITES[name][0] if value is None
              else value, "standard_error": SITES[name][1], "n_treated": 120, "n_comparison": 240,
              "design": "within_school", "estimator": "regression_adjusted", "plan_sha256": name, **changes}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"site": name, "school_year": 2026, "as_of": "2026-06-09", "effects": [effect]}),
                    encoding="utf-8")
    return path


def test_pooled_in_days_more_in_school(tmp_path):
    sites = impact_pool.sites_of(read_effects([site_file(tmp_path, name) for name in SITES]))
    direct = pool_effects([value for value, _ in SITES.values()], [error for _, error in SITES.values()])
    assert sites.unit == "days per 180-day year"
    # the scale of 180 days and the change of sign are the only differences
    assert sites.pooled().value == pytest.approx(-180 * direct.value, rel=1e-9)
    assert sites.pooled().ci_low == pytest.approx(-180 * direct.ci_high, rel=1e-9)


def test_the_page_is_written_and_holds_every_site(tmp_path):
    folder, words = impact_pool.pool_sites([site_file(tmp_path, name) for name in SITES], out=tmp_path / "out")
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert [row["site"] for row in results["sites"]] == sorted(SITES)
    assert [row["way"] for row in results["pooled"]][:2] == ["Paule-Mandel", "Restricted likelihood (REML)"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(f"Without {name}" in page for name in SITES) and "4 sites" in words
    assert (folder / "report.pdf").stat().st_size > 1000


def test_two_sites_are_not_pooled(tmp_path):
    sites = impact_pool.sites_of(read_effects([site_file(tmp_path, name) for name in ("Ash", "Birch")]))
    assert "cannot be pooled" in impact_pool.answer(sites)
    section = impact_pool.page(sites)
    assert section.numbers["pooled"] == [] and "All sites" not in list(section.blocks[0].data.frame["label"])


@pytest.mark.parametrize("spoil, words", [
    ({"standard_error": "wide"}, "no number"), ({"value": float("nan")}, "no number"), ({"value": ""}, "lacks"),
])
def test_an_effect_that_is_none_is_refused(tmp_path, spoil, words):
    path = site_file(tmp_path, "Ash")
    known = json.loads(path.read_text(encoding="utf-8"))
    known["effects"][0] |= spoil
    path.write_text(json.dumps(known), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        read_effects([path])


def test_mixed_units_and_a_site_given_twice_are_refused(tmp_path):
    paths = [site_file(tmp_path, "Ash"), site_file(tmp_path, "Birch", unit="days")]
    with pytest.raises(UserError, match="different units"):
        impact_pool.sites_of(read_effects(paths))
    with pytest.raises(UserError, match="twice"):
        read_effects([paths[0], paths[0]])


@pytest.mark.parametrize(("outcome", "unit", "value", "shown", "says"), [
    ("ada", "share", 0.02, 3.6, "Days more in school"), ("absent_days", "days", -2.0, 2.0, "Days more in school"),
    ("absent_days", "share", -0.01, 1.8, "Days more in school"), ("tardy_days", "days", -0.5, -0.5, "Days tardy"),
    ("tardy_days", "share", -0.01, -1.8, "Days tardy"), ("is_severe", "share", -0.05, -5.0, "Shares who missed 20%"),
    ("streaks", "days", -0.4, -0.4, "Longest runs")])
def test_sites_are_told_in_the_words_and_direction_of_their_outcome(tmp_path, outcome, unit, value, shown, says):
    paths = [site_file(tmp_path, name, value=value, unit=unit, outcome=outcome) for name in ("Ash", "Birch", "Cedar")]
    sites = impact_pool.sites_of(read_effects(paths))
    assert list(sites.rows["value"]) == pytest.approx([shown] * 3)
    page = impact_pool.page(sites)
    assert says in str(page.blocks[0].measure)
    assert ("in school" in f"{page.title}{page.blocks[0].measure}") == (says == "Days more in school")


def test_a_site_whose_checks_did_not_hold_is_named():
    rows = pd.DataFrame({"site": ["North", "South"], "checks_failed": [["regression_to_the_mean"], []]})
    said = impact_pool._failed(rows)
    assert len(said) == 1 and "At North a check" in said[0] and "change that comes anyway" in said[0]
    assert impact_pool._failed(rows.drop(columns="checks_failed")) == []
