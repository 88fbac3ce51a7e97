"""How well do the early-warning signs tell who will have missed 10 % by the year's end? Without any program.

    python tests/simulation/early_warning.py            # measures, and writes early_warning.json beside this file
    python tests/simulation/early_warning.py --page     # docs/methods/early-warning.md from the stored json

Signs: W2, M1, M2, 2m (standards 2.4), pulse (3 or more of ten school days, looked at at the end of days 20, 40 and 60),
and last year's chronic absence for comparison. Students enrolled from the first to the last counted school day.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import evalkit as ek
from evalkit.measures import early_warning, first_crossing, is_chronic, prior_rates
from evalkit.panel import daily_panel, open_days
from evalkit.simulate import simulate_district, write_study

HERE = Path(__file__).parent
STORED, PAGE = HERE / "early_warning.json", HERE.parents[1] / "docs" / "methods" / "early-warning.md"
PRESETS, SEEDS, STUDENTS, SCHOOLS = ("elementary", "post"), (1, 2, 3), 3000, 12
PULSE_DAY = (20, 40, 60)
RULES = ("W2", "M1", "M2", "2m", "pulse20", "pulse40", "pulse60", "prior", "prior_or_M1")
BUCKETS = (("under 2", 0, 2), ("2 to 4", 2, 4.001), ("more than 4", 4.001, 999))


def district(preset: str, seed: int, *, students: int = STUDENTS, schools: int = SCHOOLS) -> Any:
    """A simulated district without any effect, written and opened as a study like any other."""
    with tempfile.TemporaryDirectory() as place:
        made = simulate_district(n_students=students, n_schools=schools, seed=seed, preset=preset, effect_days=0,
                                 records=False)
        return ek.open_study(write_study(Path(place) / "district", made))


def whole_year(study: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(students, days): students enrolled on every counted school day of one school, and their days.

    students: absent_days, enrolled_days, is_chronic, first20 (days missed in the first 20 school days)."""
    book = open_days(study)
    days = daily_panel(study, book=book)
    longest = days.groupby("school_id")["day_number"].max()
    each = days.groupby("student_id").agg(n=("date", "size"), schools=("school_id", "nunique"),
                                          school_id=("school_id", "first"))
    stayed = each[(each["schools"] == 1) & (each["n"] == each["school_id"].map(longest))].index
    days = days[days["student_id"].isin(stayed)].assign(missed=lambda d: d["absent_units"] / d["units"])
    sums = days.groupby("student_id").agg(enrolled_units=("units", "sum"), absent_units=("absent_units", "sum"),
                                          absent_days=("missed", "sum"), school_id=("school_id", "first"))
    first = days[days["day_number"] <= 20].groupby("student_id")["missed"].sum()
    chronic = is_chronic(sums, rules=study.rules).astype(bool)
    return sums.assign(first20=first, is_chronic=chronic), days


def flagged(study: Any, students: pd.DataFrame, days: pd.DataFrame) -> dict[str, pd.Series]:
    """Rule -> school-day number on which each flagged student is flagged (0 for last year's list)."""
    numbers = days.set_index(["school_id", "date"])["day_number"]
    numbers = numbers[~numbers.index.duplicated()]
    signs = early_warning(study)
    signs = signs[signs["student_id"].isin(students.index)]
    at = numbers.reindex(pd.MultiIndex.from_frame(signs[["school_id", "flagged_on"]])).to_numpy("int64")
    found = {flag: pd.Series(at[(signs["flag"] == flag).to_numpy()], signs.loc[signs["flag"] == flag, "student_id"])
             for flag in ("W2", "M1", "M2", "2m")}
    for last in PULSE_DAY:
        recent = days[days["day_number"].between(last - 9, last)].groupby("student_id")["missed"].sum()
        found[f"pulse{last}"] = pd.Series(last, recent[recent >= 3].index)
    prior = prior_rates(study).set_index("student_id")["is_chronic"].eq(True).fillna(False).astype(bool)
    found["prior"] = pd.Series(0, students.index[prior.reindex(students.index, fill_value=False).to_numpy(bool)])
    both = found["prior"].index.union(found["M1"].index)
    found["prior_or_M1"] = found["prior"].reindex(both).fillna(found["M1"].reindex(both))
    return found


def crossings(study: Any, students: pd.DataFrame, days: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """School-day numbers of the first crossing of 10 % (from the 20th day) and of the one after which a student who
    ends the year at 10 % or more never came below again."""
    first = first_crossing(study).set_index("student_id")["crossed_on"].reindex(students.index).dropna()
    number = days.set_index(["student_id", "date"])["day_number"]
    first = number.reindex(pd.MultiIndex.from_arrays([first.index, first])).set_axis(first.index)
    under = days.assign(absent=days.groupby("student_id")["absent_units"].cumsum(),
                        enrolled=days.groupby("student_id")["units"].cumsum())
    under = under[10 * under["absent"] < under["enrolled"]].groupby("student_id")["day_number"].max()
    chronic = students.index[students["is_chronic"]]
    return first, (under.reindex(chronic).fillna(0) + 1).clip(lower=20)


def measure(study: Any) -> dict[str, Any]:
    """Counts of one district: hits by rule, days of notice, and chronic absence by days missed in the first 20."""
    students, days = whole_year(study)
    first, for_good = crossings(study, students, days)
    chronic = set(students.index[students["is_chronic"]])
    rules = {}
    for name, when in flagged(study, students, days).items():
        hit = when[when.index.isin(chronic)]
        crossed = hit[hit.index.isin(first.index)]
        rules[name] = {
            "n_flagged": len(when), "n_hit": len(hit),
            "notice_first": (first[crossed.index] - crossed).astype(int).tolist(),
            "notice_for_good": (for_good[hit.index] - hit).astype(int).tolist(),
            "days_left": (days["day_number"].max() - hit).astype(int).tolist()}
    buckets = {}
    for name, low, high in BUCKETS:
        rows = students[(students["first20"] >= low) & (students["first20"] < high)]
        buckets[name] = {"n": len(rows), "n_chronic": int(rows["is_chronic"].sum()),
                         "n_over_20_days": int((rows["absent_days"] > 20).sum())}
    return {"n_students": len(students), "n_chronic": len(chronic), "rules": rules, "buckets": buckets}


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Several seeds of one preset as one: pooled shares, medians, and the standard deviation of precision and recall
    over the seeds."""
    n, chronic = (sum(one[key] for one in found) for key in ("n_students", "n_chronic"))
    rules = {}
    for name in RULES:
        rows = [one["rules"][name] for one in found]
        hit, listed = sum(row["n_hit"] for row in rows), sum(row["n_flagged"] for row in rows)
        each = [(row["n_hit"] / row["n_flagged"], row["n_hit"] / one["n_chronic"])
                for row, one in zip(rows, found, strict=True)]
        pooled = {key: np.concatenate([row[key] for row in rows])
                  for key in ("notice_first", "notice_for_good", "days_left")}
        rules[name] = {
            "share_flagged": listed / n, "precision": hit / listed, "recall": hit / chronic,
            "lift": hit / listed / (chronic / n), "sd_precision": float(np.std([p for p, _ in each], ddof=1)),
            "sd_recall": float(np.std([r for _, r in each], ddof=1)),
            **{f"median_{key}": float(np.median(values)) for key, values in pooled.items()},
            "share_before_first": float(np.mean(pooled["notice_first"] > 0)),
            "share_before_for_good": float(np.mean(pooled["notice_for_good"] > 0))}
    buckets = {name: {key: sum(one["buckets"][name][key] for one in found)
                      for key in ("n", "n_chronic", "n_over_20_days")} for name, _, _ in BUCKETS}
    return {"n_students": n, "base_rate": chronic / n, "rules": rules, "buckets": buckets}


WORDS = {"W2": "W2: 2 in the first 10", "M1": "M1: 2 in the first 20", "M2": "M2: 4 in the first 40",
         "2m": "2m: 2 a month, by a month's end", "pulse20": "pulse on day 20: 3 of 10",
         "pulse40": "pulse on day 40", "pulse60": "pulse on day 60", "prior": "chronically absent last year",
         "prior_or_M1": "last year's list or M1"}
TITLES = {"elementary": "Urban elementary", "post": "After the pandemic, all grades",
          "high_school": "Urban high school"}
PUBLISHED = {"Baltimore 2012-13 (published, over 20 days)": ("low", "about half", "about 9 in 10"),
             "data.md, urban elementary (fitted)": ("8%", "38%", "81%"), "data.md, post (fitted)": ("8%", "45%", "90%")}


def page(stored: dict[str, Any]) -> str:
    """The docs page of the stored figures."""
    parts = [HEAD.format(**stored)]
    for preset, found in stored["presets"].items():
        parts += [f"## {TITLES[preset]}", "",
                  f"{found['n_students']:,} students; {found['base_rate']:.1%} missed 10% or more by the year's end: a "
                  f"list drawn by lot is right that often, whatever its length, and finds the share that it lists.", "",
                  "| sign | listed | right (precision) | found (recall) | times chance | notice before first "
                  "crossing | notice before staying over | school days left |", "|---|---|---|---|---|---|---|---|"]
        parts += [_row(WORDS[name], row) for name, row in found["rules"].items()]
        parts.append("")
    parts += ["## September, against the published figures", "",
              "Share chronically absent at the year's end by days missed in the first 20 school days.", "",
              "| | under 2 | 2 to 4 | more than 4 |", "|---|---|---|---|"]
    for preset, found in stored["presets"].items():
        for key, words in (("n_chronic", "10% or more"), ("n_over_20_days", "more than 20 days")):
            cells = [f"{row[key] / row['n']:.0%} of {row['n']:,}" for row in found["buckets"].values()]
            parts.append(f"| {TITLES[preset]}, {words} | {' | '.join(cells)} |")
    parts += [f"| {name} | {' | '.join(cells)} |" for name, cells in PUBLISHED.items()]
    return "\n".join([*parts, "", TAIL])


def _row(words: str, row: dict[str, float]) -> str:
    return (f"| {words} | {row['share_flagged']:.0%} | {row['precision']:.0%} ± {row['sd_precision']:.1%} | "
            f"{row['recall']:.0%} ± {row['sd_recall']:.1%} | {row['lift']:.1f} | "
            f"{row['median_notice_first']:.0f} days; {row['share_before_first']:.0%} before | "
            f"{row['median_notice_for_good']:.0f} days; {row['share_before_for_good']:.0%} before | "
            f"{row['median_days_left']:.0f} |")


HEAD = """# Early warning: how well do the signs tell?

Simulated districts without any program ({students:,} students in {schools} schools, seeds {seeds}, pooled), counted by
the same `early_warning` and `first_crossing` that the review uses. Students enrolled on every counted school day. Made
by `python tests/simulation/early_warning.py`; the figures are stored beside it and a test holds this page to them.

**right:** of those listed, the share who had missed 10% or more at the year's end. **found:** of all who had, the share
who were listed. ± is the standard deviation over the seeds. **notice before first crossing:** school days from the sign
to the first day, from the 20th on, on which the student stood at 10%, for listed students who ended the year over it
(median; 0 or less is no notice). **notice before staying over:** the same to the day from which the student never came
back under 10%.
"""
TAIL = """## Reading

* Every sign beats chance, and none is a verdict: among students listed in the first weeks many never reach 10%.
  A list means "ask what would help", not "chronically absent".
* The 10% line is crossed early by noise: two absences in 20 days are 10%. So the early signs give little notice of the
  *first* crossing, and much of the crossing that stays. The review therefore lists both, the sign and the crossing.
* `2m` waits for a month's end; any month counts, so its list grows all year and its precision is of that long list.
* Last year's list is there before the first day of school and needs no waiting. Students new to the district are not
  on it.
* The simulated days follow published levels, persistence and day-to-day correlation; early weeks are drawn like any
  other weeks. FFT (England) found the same of real terms: absence at the start of term tells no more than at other
  times. Whether September tells more in a real district has to be counted there.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="write the docs page from the stored figures")
    if not parser.parse_args().page:
        presets = {preset: summary([measure(district(preset, seed)) for seed in SEEDS]) for preset in PRESETS}
        stored = {"students": STUDENTS, "schools": SCHOOLS, "seeds": ", ".join(map(str, SEEDS)), "presets": presets}
        STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(json.loads(STORED.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
