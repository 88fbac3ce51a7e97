"""`evalkit export`: a pseudonymous analysis file, its dictionary, and an R script that redoes the planned estimate."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit import files
from evalkit.comparison import Comparison
from evalkit.config import AnalysisPlan
from evalkit.errors import UserError, must_be_one_of
from evalkit.estimators import Estimate
from evalkit.estimators.design import encode, landmark_month
from evalkit.measures import outcome_row
from evalkit.render.sheets import csv_text
from evalkit.reports.impact_estimators import columns_used, follows_months, month_covariates, options_of
from evalkit.reports.impact_plan import check_plan, plain_plan, plan_faults, planned_comparison, planned_estimate
from evalkit.reports.impact_run import must_bear

MARK = "export.json"
PSEUDONYM_LENGTH = 12
LEAST_KEY_BYTES = 16
IDS = ("student_id", "school_id")
MEANINGS = {
    "student_id": "Pseudonym of the student: the same student has the same one in every export made with this key",
    "school_id": "Pseudonym of the school",
    "landmark": "Number of the start date the row is compared at, in order of date (1 is the first)",
    "landmark_month": "Month of that start date",
    "treated": "1: mentored from that date; 0: without a mentor then",
    "weight": "Weight in the comparison: mentored 1, each of k partners 1/k, 0 not used",
    "subclass": "The matched set",
    "distance": "The distance the matching used, as evalkit estimated it",
    "prior_absence_rate": "Days absent of days enrolled, the year before",
    "pre_absence_rate": "Days absent of days enrolled this year, before the start date",
    "enrolled_days": "Days enrolled from the start date on",
    "n_days": "Enrolled school days from the start date on",
    "research_consent": "Consent to research, as the student table says",
}


def export_analysis(study: Any, analysis: str, out: Path | str) -> Path:
    """Write the analysis file of one planned analysis, its dictionary, plan, expected result and R script to `out`.

    Grain of analysis.csv: student x start date; every row compared, and every row at risk where all share one date.
    Ids are HMAC-SHA256 pseudonyms (12 base32 characters) under the key of [privacy] key_file, which is made with mode
    0600 where there is none and must lie outside the study. Files are readable by their owner only. Raises UserError
    for an unknown analysis, a study that bears no comparison, a key others can read, or a folder with other files.
    """
    plans = {plan.id: plan for plan in study.config.analyses}
    must_be_one_of("--analysis", analysis, list(plans))
    must_bear(study)
    plan = plans[analysis]
    check_plan(study, plan)
    key = read_key(key_path(study), study.folder)
    comparison = planned_comparison(study, plan)
    with plan_faults(plan):
        found = planned_estimate(comparison, plan)
    target = files.locate(out).absolute()
    files.must_lie_outside(target, study.folder)
    _must_be_ours(target)
    with files.whole_folder(target) as folder:
        for name, text in export_files(comparison, plan, found, key).items():
            files.write_text(folder / name, text, private=True)
    return target


def export_files(comparison: Comparison, plan: AnalysisPlan, found: Estimate, key: bytes) -> dict[str, str]:
    """File name -> text, all of an export."""
    frame = analysis_frame(comparison, plan, key)
    script = (resources.files("evalkit.reports") / "replicate.R").read_text(encoding="utf-8")
    expected = pd.DataFrame({"name": RESULT_KEYS, "evalkit": [getattr(found, name) for name in RESULT_KEYS]})
    about = {"evalkit": version("evalkit"), "analysis": plan.id, "plan_sha256": plan.sha256, "seed": plan.seed,
             "rows": len(frame), "students_compared": found.n_treated + found.n_comparison}
    return {**_month_files(comparison, plan, found, key),
            "analysis.csv": csv_text(frame), "dictionary.csv": csv_text(dictionary(frame, plan.outcome)),
            "plan.csv": csv_text(plan_frame(plan, found, comparison)), "expected.csv": csv_text(expected.dropna()),
            "replicate.R": script, "README.md": readme(plan, comparison),
            MARK: json.dumps(about, indent=2, sort_keys=True) + "\n"}


def _month_files(comparison: Comparison, plan: AnalysisPlan, found: Estimate, key: bytes) -> dict[str, str]:
    """The months of an estimator that follows students, and the script that redoes it; nothing for the others."""
    if not follows_months(plan):
        return {}
    script = (resources.files("evalkit.reports") / "replicate_months.R").read_text(encoding="utf-8")
    return {"months.csv": csv_text(month_frame(comparison, plan, found, key)), "replicate_months.R": script}


def month_frame(comparison: Comparison, plan: AnalysisPlan, found: Estimate, key: bytes) -> pd.DataFrame:
    """The months behind the planned estimate: pseudonyms, months and starts by their order, nothing it does not use.

    Grain: student x month. on: mentored by then (0/1); x1, x2 ...: the covariates as the model takes them.
    """
    rows = _without_small_cohorts(comparison.details["months"], found)
    order = {month: place for place, month in enumerate(sorted(rows["month"].unique()), start=1)}
    frame = pd.DataFrame({
        "student_id": [pseudonym(value, key, kind="student_id") for value in rows["student_id"]],
        "id": pd.factorize(rows["student_id"], sort=True)[0] + 1, "month": rows["month"].map(order),
        "first_treated": rows["first_treated"].map(order).fillna(0).astype("int64"), "weight": rows["weight"],
        "cluster": pd.factorize(rows[found.clustered_by], sort=True)[0] + 1, "enrolled_days": rows["enrolled_days"],
        "absent_days": rows["absent_days"], "absence_rate": rows["absence_rate"]})
    frame["on"] = ((frame["first_treated"] > 0) & (frame["month"] >= frame["first_treated"])).astype(int)
    if "research_consent" in rows:
        frame["research_consent"] = rows["research_consent"].to_numpy()
    columns = [values for name in month_covariates(rows, plan) for _, values in encode(rows[name])]
    return frame.assign(**{f"x{place}": values for place, values in enumerate(columns, start=1)})


def _without_small_cohorts(rows: pd.DataFrame, found: Estimate) -> pd.DataFrame:
    """Cohorts without an effect of their own serve as not yet mentored until they start, where the plan has such."""
    table = pd.DataFrame(found.details.get("group_time", ()), columns=["group", "att"])
    if table.empty:
        return rows
    small = rows["first_treated"].notna() & ~rows["first_treated"].isin(table.loc[table["att"].notna(), "group"])
    serves = found.details["control_group"] == "notyet"
    rows = rows[~small | (serves & (rows["month"] < rows["first_treated"]))]
    return rows.assign(first_treated=rows["first_treated"].mask(small))


RESULT_KEYS = ["value", "standard_error", "df", "ci_low", "ci_high"]


def analysis_frame(comparison: Comparison, plan: AnalysisPlan, key: bytes) -> pd.DataFrame:
    """The rows of the export, ids replaced, dates reduced to their order and month, nothing the plan does not use."""
    rows = comparison.students
    if rows["landmark"].nunique() > 1:
        rows = rows[rows["weight"] > 0]
    order = {date: place for place, date in enumerate(sorted(rows["landmark"].unique()), start=1)}
    wanted = [*IDS, *comparison.plan["exact"], *plan.covariates, "research_consent", plan.outcome, *columns_used(plan),
              "n_days", "treated", "weight", "subclass", "distance"]
    kept = [name for name in dict.fromkeys(wanted) if name in rows]
    months = landmark_month(rows)
    frame = rows[kept].assign(landmark=rows["landmark"].map(order).astype("int64"))
    frame["landmark_month"] = months if months is not None else pd.to_datetime(rows["landmark"]).dt.strftime("%Y-%m")
    for name in IDS:
        frame[name] = [pseudonym(value, key, kind=name) for value in frame[name]]
    frame = frame.rename(columns=str).sort_values(["landmark", "subclass", "treated", "student_id"],
                                                  ascending=[True, True, False, True], kind="stable")
    return _plain_flags(frame.reset_index(drop=True))


def _plain_flags(frame: pd.DataFrame) -> pd.DataFrame:
    """Yes/no columns as true and false, a missing one blank, so that R and a person read the same."""
    flags = [name for name in frame if pd.api.types.is_bool_dtype(frame[name].dtype)]
    words = {name: frame[name].astype("boolean").map({True: "true", False: "false"}).astype("str") for name in flags}
    return frame.assign(**words)


def pseudonym(value: Any, key: bytes, *, kind: str) -> str:
    """12 base32 characters of HMAC-SHA256; without the key an id cannot be had back, nor tried out."""
    digest = hmac.new(key, f"{kind}\x00{value}".encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode("ascii")[:PSEUDONYM_LENGTH]


def key_path(study: Any) -> Path:
    """Where the pseudonym key lies: [privacy] key_file, else .evalkit/pseudonym.key in the home folder."""
    given = study.config.privacy.key_file
    if not given:
        return Path.home() / ".evalkit" / "pseudonym.key"
    path = Path(given).expanduser()
    return path if path.is_absolute() else Path(study.folder).absolute().parent / path


def read_key(path: Path, study_folder: Path) -> bytes:
    """The key at `path`, made with mode 0600 where there is none. It must lie outside the study and be private."""
    if path.resolve().is_relative_to(Path(study_folder).resolve()):
        raise UserError("The pseudonym key lies inside the study, where it would travel with the data.",
                        remedy="Set [privacy] key_file to a file outside the study's folder.")
    if not path.exists():
        files.write_text(path, secrets.token_hex(32) + "\n", private=True)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise UserError("The pseudonym key can be read by others on this computer.", file=path.name,
                        remedy="Make it private (chmod 600), or remove it and let evalkit make a new one.")
    key = path.read_bytes().strip()
    if len(key) < LEAST_KEY_BYTES:
        raise UserError("The pseudonym key is too short to be safe.", file=path.name,
                        remedy="Remove the file and let evalkit make a new key.")
    return key


def _must_be_ours(target: Path) -> None:
    """A folder that holds anything but an earlier export is not replaced."""
    if target.exists() and not (target.is_dir() and ((target / MARK).is_file() or not any(target.iterdir()))):
        raise UserError("The folder for the export already holds other files.", file=target.name,
                        remedy="Give --out a new folder.")


def dictionary(frame: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """A row per column of the analysis file: its kind, meaning, how many are missing, and its values or range."""
    return pd.DataFrame([{"column": name, "kind": _kind(frame[name]),
                          "meaning": _meaning(str(name), outcome),
                          "n_missing": int((frame[name].isna() | (frame[name].astype(str) == "")).sum()),
                          "values": _values(frame[name])} for name in frame])


def _meaning(name: str, outcome: str) -> str:
    """What a column holds: an outcome is about the time after the start, everything else about the start date."""
    row, words = outcome_row(name), name.replace("_", " ").capitalize()
    if name == outcome:
        return f"{row.meaning}, from the start date on" if row else f"{words}: the last value from the start date on"
    return MEANINGS.get(name, f"{words}, at the start date")


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_numeric_dtype(column):
        return "number"
    return "yes_no" if set(column.dropna().unique()) <= {"true", "false"} else "text"


def _values(column: pd.Series) -> str:
    if str(column.name) in IDS:
        return "pseudonyms"
    if pd.api.types.is_numeric_dtype(column):
        known = column.dropna()
        return f"{known.min():g} to {known.max():g}" if len(known) else ""
    levels = sorted(map(str, column.dropna().unique()))
    return ", ".join(levels[:30]) + (" ..." if len(levels) > 30 else "")


def plan_frame(plan: AnalysisPlan, found: Estimate, comparison: Comparison) -> pd.DataFrame:
    """The plan as name and value, lists joined by a semicolon; clusters as used; the mentored matched at first."""
    matched = comparison.flow.loc[comparison.flow["step"] == "matched", "treated"]
    settings = {**plain_plan(plan), "exact": list(comparison.plan["exact"]), "clustered_by": found.clustered_by,
                "standard_errors": found.standard_errors,
                "order": plan.order or comparison.plan.get("order") or "largest",
                **options_of(plan, plan.estimator), "n_matched": int(matched.iloc[0]) if len(matched) else ""}
    return pd.DataFrame({"name": list(settings), "value": [_text(value) for value in settings.values()]})


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ";".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def readme(plan: AnalysisPlan, comparison: Comparison) -> str:
    """What is in the folder, what it may be used for, and what is not redone."""
    consent = comparison.used.get("research_consent", pd.Series(dtype=str))
    refused = int(consent.isin(["no", "withdrawn"]).sum())
    return f"""# Analysis file of the planned analysis "{plan.id}"

Made by evalkit {version("evalkit")}; plan {plan.sha256[:12]}.

- `analysis.csv`: a row per student and start date; `dictionary.csv` says what each column is.
- `plan.csv`: the plan as it ran. `expected.csv`: what evalkit found.
- `replicate.R`: `Rscript replicate.R` redoes the planned estimate. It needs clubSandwich, and uses fixest and MatchIt
  where they are installed. It ends with AGREES or DIFFERS (above 1e-8), or NOT REDONE for another estimator.

The ids are pseudonyms made with a secret key that is not here. A pseudonymous file is still about single students:
share it only under a data agreement, and never with the key.

{refused} of the rows compared are of students who said no to research. Leave them out (`CONSENTED_ONLY <- TRUE` in the
script, or drop the rows) before the file is used for research beyond the district's own evaluation.

The matched sets are taken as they are where students start on different days: MatchIt knows no such risk sets. Where
all share one start date, the file holds everybody at risk and the script matches again.
"""
