"""`evalkit pool`: sites' effects.json files combined into one page, without any site's students.

The page shows every site, the mean of sites like these with an honest interval, where a new site may lie, and what the
number of sites does not bear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit import figures, files
from evalkit.disclosure import plain_text, release_numbers, release_table
from evalkit.errors import UserError, must_be_one_of
from evalkit.measures import outcome_row
from evalkit.pooling import Pooled, leave_one_out, pool_effects, read_effects
from evalkit.render.blocks import PARTNER, Callout, Column, Context, Figure, Row, Section, Table
from evalkit.render.publish import publish
from evalkit.reports.impact_words import check_title
from evalkit.wording import listed, number, plural
from evalkit.wording.verdicts import Gain, gain_title

REPORT, TITLE, HOME = "pooled_effects", "Pooled effects", "pooled-sites"
LEAST_SITES = 3
"""Below it the spread between sites cannot be known, so no pooled number is shown."""
YEAR = 180
WAYS = (("Paule-Mandel", "PM", True), ("Restricted likelihood (REML)", "REML", True),
        ("DerSimonian-Laird, normal interval", "DL", False), ("One common effect, normal interval", "FE", False))


@dataclass(frozen=True)
class _Asked:
    """What the page's manifest says was asked for."""

    out: str
    outcome: str


@dataclass(frozen=True)
class Sites:
    """The sites' planned effects on one outcome, in the reader's unit: more is better. rows: one per site."""

    outcome: str
    unit: str
    rows: pd.DataFrame

    @property
    def enough(self) -> bool:
        return len(self.rows) >= LEAST_SITES

    @property
    def in_school(self) -> bool:
        """Whether the numbers are days more in school."""
        row = outcome_row(self.outcome)
        return row is not None and row.in_school != 0

    def pooled(self, method: str = "PM", *, knapp_hartung: bool = True) -> Pooled:
        return pool_effects(list(self.rows["value"]), list(self.rows["standard_error"]), method=method,
                            knapp_hartung=knapp_hartung)


def pool_sites(paths: Sequence[Path | str], *, outcome: str = "", out: Path | str = "reports") -> tuple[Path, str]:
    """Pool effects.json files into a one-page report; returns its folder and the answer in plain words.

    outcome: the outcome to pool; the one most sites give when blank. Under three sites the page shows the sites and
    says what cannot be said. Raises UserError for files that hold no effects, one site twice, or mixed units.
    """
    sites = sites_of(read_effects([files.locate(path) for path in paths]), outcome=outcome)
    section = page(sites)
    found = publish(_Asked(str(out), sites.outcome), [section])
    return Path(str(found.folder)), answer(sites)


def sites_of(rows: Sequence[Mapping[str, Any]], *, outcome: str = "") -> Sites:
    """One row per site for one outcome: its first planned analysis of it. Mixed units are refused."""
    by_outcome: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        mine = by_outcome.setdefault(str(row["outcome"]), [])
        if row["site"] not in {other["site"] for other in mine}:
            mine.append(row)
    if outcome:
        must_be_one_of("--outcome", outcome, sorted(by_outcome), error=UserError)
    chosen = outcome or max(by_outcome, key=lambda name: (len(by_outcome[name]), name == "absence_rate"))
    units = sorted({str(row["unit"]) for row in by_outcome[chosen]})
    if len(units) > 1:
        raise UserError("Sites give this outcome in different units.", culprits=units,
                        remedy="Ask every site for the same unit.")
    return Sites(chosen, *_in_words(chosen, units[0], pd.DataFrame(list(map(dict, by_outcome[chosen])))))


def _in_words(outcome: str, unit: str, frame: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Days more in school where the outcome is about them, points for other shares; treated minus comparison else."""
    row = outcome_row(outcome)
    way = row.in_school or 1 if row else 1
    a_year = row is not None and unit == "share" and (row.in_school or row.unit == "days")  # days by a Poisson model
    scale, words = (way * float(YEAR), "days per 180-day year") if a_year else (
        (float(way), "days") if unit == "days" else (100.0, "points") if unit == "share" else (1.0, unit))
    known = {name: frame.get(name, pd.Series(0, index=frame.index)) for name in ("n_treated", "n_comparison")}
    rows = frame.assign(value=pd.to_numeric(frame["value"]) * scale, **known,
                        standard_error=pd.to_numeric(frame["standard_error"]) * abs(scale))
    return words, rows.sort_values("site", kind="stable").reset_index(drop=True)


def answer(sites: Sites) -> str:
    """The result in plain words, for the terminal and the page's lead."""
    n = len(sites.rows)
    if not sites.enough:
        return (f"{plural(n, 'site')} cannot be pooled: with fewer than {LEAST_SITES} nobody can say how much sites "
                "differ, or what a new site may expect. Each site's own result stands.")
    found = sites.pooled()
    new = "" if found.prediction_low is None else (
        f" A new site like these may lie anywhere from {number(found.prediction_low, 1)} to "
        f"{number(found.prediction_high, 1)}.")
    return (f"Over {n} sites the mean difference is {_signed(found.value)} {sites.unit} "
            f"(95% interval {number(found.ci_low, 1)} to {number(found.ci_high, 1)}).{new}")


def _signed(value: float) -> str:
    text = number(value, 1)
    return f"+{text}" if value > 0 and any(c in "123456789" for c in text) else text


def page(sites: Sites) -> Section:
    """The one page: sites and their mean, ways to pool, each site left out, what cannot be said."""
    blocks: list[Any] = [forest(sites)]
    if sites.enough:
        blocks.append(Row(((ways(sites),), (without_each(sites),)), (7, 5)))
    blocks.append(Row(((cannot_say(sites),), (what_sites_are(sites),)), (6, 6)))
    return Section(_context(sites), "pooled", plain_text(_title(sites)), tuple(blocks), lead=plain_text(answer(sites)),
                   is_opening=True, numbers=_numbers(sites))


def _title(sites: Sites) -> str:
    if not sites.enough:
        return "Too few sites to pool: each site for itself"
    if not sites.in_school:
        return "Mentored and similar students at several sites"
    found = sites.pooled()
    return gain_title(Gain(found.value, found.ci_low, found.ci_high))


def forest(sites: Sites) -> Figure:
    """Every site with its interval, and the mean of them where it can be had."""
    rows = [{"label": row.site, "group": "site", "n": int(row.n_treated), "n_comparison": int(row.n_comparison),
             "value": row.value, "ci_low": row.value - 1.959964 * row.standard_error,
             "ci_high": row.value + 1.959964 * row.standard_error} for row in sites.rows.itertuples()]
    found = sites.pooled() if sites.enough else None
    if found is not None:
        rows.append({"label": "All sites", "group": "all", "n": int(sites.rows["n_treated"].sum()),
                     "n_comparison": int(sites.rows["n_comparison"].sum()), "value": found.value,
                     "ci_low": found.ci_low, "ci_high": found.ci_high})
    figures_of = dict.fromkeys(("value", "ci_low", "ci_high"), "n")
    table = release_table("sites", pd.DataFrame(rows), keys=["label", "group"], counts=["n", "n_comparison"],
                          plain=figures_of, audience=PARTNER, total=None)
    shown = table.frame.astype(dict.fromkeys(figures_of, "float64"))
    alt = " ".join(f"{row.label}: {number(row.value, 1)}, from {number(row.ci_low, 1)} to {number(row.ci_high, 1)}."
                   for row in shown.itertuples() if pd.notna(row.value))
    columns = (Column("label", "Site"), Column("n", "Mentored", "integer", "students"),
               Column("value", "Difference", "signed1", sites.unit), Column("ci_low", "From", "signed1"),
               Column("ci_high", "To", "signed1"))
    overall = None if found is None else (found.value, found.ci_low, found.ci_high)
    return Figure(plain_text("Every site, and all sites together" if found else "Every site for itself"),
                  plain_text(f"{_measure(sites)}, with number of mentored students and 95% interval"),
                  figures.interval_forest(shown, group="group", overall=overall), plain_text(alt), table, columns,
                  note=plain_text("The last row is the mean of sites like these. The dashed line and band repeat it."
                                  if found else "Each interval is the site's own."), key="sites")


def _measure(sites: Sites) -> str:
    row = outcome_row(sites.outcome)
    what = ("Days more in school" if sites.in_school else row.head if row else
            sites.outcome.replace("_", " ").capitalize())
    return f"{what}, mentored minus similar students ({sites.unit})"


def ways(sites: Sites) -> Table:
    """The same sites pooled in several ways: an answer that hangs on one way is none."""
    found = [(name, sites.pooled(method, knapp_hartung=adjusted)) for name, method, adjusted in WAYS]
    frame = pd.DataFrame([{"way": name, "value": one.value, "ci_low": one.ci_low, "ci_high": one.ci_high,
                           "prediction_low": one.prediction_low, "prediction_high": one.prediction_high}
                          for name, one in found])
    columns = (Column("way", "Way to pool"), Column("value", "Mean", "signed1"), Column("ci_low", "From", "signed1"),
               Column("ci_high", "To", "signed1"), Column("prediction_low", "New site from", "signed1"),
               Column("prediction_high", "To", "signed1"))
    return Table(plain_text("The answer under other ways to pool"), plain_text(sites.unit.capitalize()),
                 _table("ways", frame, "way"), columns, key="ways",
                 note=plain_text("The first two use the Hartung-Knapp interval (t on sites minus one)."))


def _table(name: str, frame: pd.DataFrame, key: str) -> Any:
    """A table of pooled figures: they rest on released numbers alone."""
    return release_table(name, frame, keys=[key, *(c for c in frame if c != key)], counts=[], audience=PARTNER)


def without_each(sites: Sites) -> Table:
    """The mean without each site in turn."""
    again = leave_one_out(list(sites.rows["value"]), list(sites.rows["standard_error"]))
    frame = pd.DataFrame([{"site": f"Without {name}", "value": one.value, "ci_low": one.ci_low, "ci_high": one.ci_high}
                          for name, one in zip(sites.rows["site"], again, strict=True)])
    columns = (Column("site", "Left out"), Column("value", "Mean", "signed1"), Column("ci_low", "From", "signed1"),
               Column("ci_high", "To", "signed1"))
    return Table(plain_text("Without one site at a time"), plain_text(sites.unit.capitalize()),
                 _table("leave_one_out", frame, "site"), columns, key="leave_one_out")


def cannot_say(sites: Sites) -> Callout:
    """What this many sites, and sites like these, do not bear."""
    lines = list(sites.pooled().caveats) if sites.enough else [
        f"With fewer than {LEAST_SITES} sites the spread between sites is not known, so there is no mean of sites, no "
        "range for a new site, and no test of whether one site carries the result."]
    if sites.enough:
        found = sites.pooled()
        lines.append(f"Of the spread between these results, {number(found.i2)}% is more than chance would bring; true "
                     f"results of sites differ by about {number(found.tau2 ** 0.5, 1)} (one standard deviation).")
    lines += [*_mixtures(sites.rows), *_failed(sites.rows)]
    lines.append("Sites that did not share a result are not here. If they did worse, this page looks too good.")
    return Callout(plain_text("What cannot be said"), tuple(map(plain_text, lines)), tone="caution")


def _failed(rows: pd.DataFrame) -> list[str]:
    """The sites whose own checks did not hold: a mean of sites does not mend that."""
    named = [(site, names) for site, names in zip(rows["site"], rows.get("checks_failed", []), strict=False)
             if isinstance(names, list) and names]
    return [f"At {site} {'a check' if len(names) == 1 else 'checks'} of the method did not hold "
            f"({listed([check_title(str(name)).lower() for name in names])}): other causes may be behind its number."
            for site, names in named]


def _mixtures(rows: pd.DataFrame) -> list[str]:
    found = []
    for column, word in (("design", "ways to choose the comparison"), ("estimator", "estimators"),
                         ("estimand", "groups the result is about")):
        kinds = sorted({str(v).replace("_", " ") for v in rows[column].dropna()}) if column in rows else []
        if len(kinds) > 1:
            found.append(f"Sites used different {word}: {listed(kinds)}. Their results may differ for that reason "
                         "alone.")
    return found


def what_sites_are(sites: Sites) -> Callout:
    """Who is in the page: sites, students, years, plans."""
    rows = sites.rows
    years = sorted({str(int(y)) for y in pd.to_numeric(rows.get("school_year", pd.Series(dtype=float))).dropna()})
    lines = [f"{plural(len(rows), 'site')}" + (f", school years ending {listed(years)}." if years else ".")]
    if "plan_sha256" in rows:
        lines.append(f"{plural(rows['plan_sha256'].nunique(), 'plan')}, each written before its result was seen.")
    lines.append("Every number came from a site's effects.json, which held no student and had passed disclosure "
                 "control there.")
    return Callout(plain_text("Where the numbers come from"), tuple(map(plain_text, lines)), tone="answer")


def _context(sites: Sites) -> Context:
    rows = sites.rows
    as_of = max((str(day)[:10] for day in rows.get("as_of", pd.Series(dtype=str)).dropna()), default="undated")
    programs = sorted(set(rows.get("program", pd.Series(dtype=str)).dropna())) or ["Success Mentors"]
    return Context(REPORT, TITLE, "Pooled sites", programs[0], PARTNER, as_of, as_of, last_day=as_of, folder=HOME,
                   definitions="**95% interval:** if this were done many times, 95 of 100 such intervals would hold "
                               "the true mean.")


def _numbers(sites: Sites) -> dict[str, Any]:
    """results.json: sites and pooled results at full precision, all from released numbers."""
    keep = [name for name in ("site", "value", "standard_error", "n_treated", "n_comparison", "design", "estimator",
                              "estimand", "school_year", "plan_sha256") if name in sites.rows]
    rows = [_free(f"site{i}", row) for i, row in enumerate(sites.rows[keep].to_dict("records"))]
    pooled = [] if not sites.enough else [
        _free(method, {"way": name, **{key: getattr(found, key) for key in (
            "value", "standard_error", "ci_low", "ci_high", "p_value", "prediction_low", "prediction_high", "tau2",
            "i2", "q", "q_p_value", "n_sites", "method", "knapp_hartung")}})
        for name, method, adjusted in WAYS for found in (sites.pooled(method, knapp_hartung=adjusted),)]
    return {"outcome": sites.outcome, "unit": sites.unit, "sites": rows, "pooled": pooled,
            **({} if sites.enough else {"reason": answer(sites)})}


def _free(name: str, values: Mapping[Any, Any]) -> Mapping[str, Any]:
    return release_numbers(name, {str(key): (value, None) for key, value in values.items()}, audience=PARTNER).numbers
