"""python pack.py DIR MORE: outputs of golden.R, sens.R, golden_did.R (DIR), more_designs.R (MORE) -> reference.json.xz.

Only what the tests read, rows by their place among the students with a prior year, so that the file stays small.
"""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
EFFECTS = ("nn13.exact_school_grade.cal02", "nn13.replace.cal02", "subclass5.ate", "exact", "cem.cutpoints", "ipw.ate",
           "ipw.ato", "weightit.ebal.att")
KEPT = {"Std. Mean Diff.": "smd", "Var. Ratio": "variance_ratio", "eCDF Max": "ks"}


def designs(folder: Path, place: dict[str, int], prefix: str) -> dict[str, dict]:
    """Pairs of a matched design, else the weight and set of every row used."""
    used = pd.read_csv(folder / f"{prefix}matches.csv", dtype={"student_id": str, "subclass": str})
    name = "match_matrix.csv" if not prefix else "extra_matrix.csv"
    pairs = pd.read_csv(folder / name, dtype={"t": str, "c": str})
    found: dict[str, dict] = {}
    for design, rows in used.groupby("id"):
        mine = pairs[pairs["id"] == design]
        made: dict = {"n_used": len(rows), "sum_of_squares": float((rows["weight"] ** 2).sum())}
        if len(mine):
            made["pairs"] = [[place[t], place[c], int(k)] for t, c, k in zip(mine["t"], mine["c"], mine["k"],
                                                                             strict=True)]
        else:
            made["rows"] = [place[one] for one in rows["student_id"]]
            made["weights"] = [float(f"{weight:.12g}") for weight in rows["weight"]]
            made["sets"] = None if rows["subclass"].isna().all() else rows["subclass"].tolist()
        found[str(design)] = made
    return found


def balance(table: dict | None) -> dict:
    return {name: {new: row[old] for old, new in KEPT.items() if row.get(old) is not None}
            for name, row in (table or {}).items()}


def main(folder: Path, more: Path) -> None:
    students = pd.read_csv(folder / "students.csv", dtype={"student_id": str})
    sample = students[students["prior_days_absent"].notna()].reset_index(drop=True)
    place = {one: row for row, one in enumerate(sample["student_id"])}
    golden = {entry["id"]: entry for entry in json.loads((folder / "golden_r.json").read_text())}
    extra = json.loads((more / "extra.json").read_text())
    weights = pd.read_csv(more / "extra_weights.csv")
    scores = pd.read_csv(folder / "scores.csv")
    out = {"versions": extra.pop("versions"),
           "designs": {**designs(folder, place, ""), **designs(more, place, "extra_")}, "balance": {},
           "cobalt": {}, "effects": {}, "weights": {}}
    for name, value in extra.items():
        if name.startswith("cobalt"):
            out["cobalt"][name] = value
        else:
            out["balance"][name] = balance(value.get("matched"))
    for name, entry in golden.items():
        if name.startswith("cobalt"):
            out["cobalt"][name] = entry["value"]
        elif isinstance(entry["value"], dict) and "unmatched" in entry["value"]:
            out["balance"][name] = balance(entry["value"].get("matched"))
    out["effects"] = {name: golden[f"{name}.effect"]["value"] for name in EFFECTS}
    out["logit"] = golden["ps.logit"]["value"]
    out["wild"] = {part: golden[f"wild_cluster.nn11.exact_school.{part}"]["value"] for part in ("dim", "adj")}
    out["weights"] = {name: [float(f"{one:.11g}") for one in weights[name]] for name in ("cbps_ATC", "cbps_ATE")}
    out["weights"]["ebal_att"] = [float(f"{one:.17g}") for one in scores["w_ebal_att"]]
    out["sensemakr"] = json.loads((folder / "golden_sens.json").read_text())[0]["value"]
    out["did"] = {entry["id"]: entry["value"] for entry in json.loads((folder / "golden_did_r.json").read_text())}
    with lzma.open(HERE / "reference.json.xz", "wt", encoding="utf-8", preset=9) as file:
        json.dump(out, file, separators=(",", ":"))
    for name in ("students.csv", "monthly.csv"):
        with lzma.open(HERE / f"{name}.xz", "wb", preset=9) as file:
            file.write((folder / name).read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
