"""The data check: what was read, what became of every row, how complete it is, what this study can and cannot show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evalkit.render.blocks import BulletList, Column, Paragraph, Row, Section, Table, Tile, Tiles
from evalkit.reports.gate import Gate, gate_of, released_account
from evalkit.reports.params import Params as BaseParams
from evalkit.reports.params import make_context
from evalkit.wording import listed

TITLE = "Data check"
NO_REASONS = "Why rows were mended or set aside is in the team's copy."
LOG_DAYS = 30
"""A mentor with students and no contact written down in this many days is missing a log."""

SHOWS = {
    "rates": "Attendance rates, the five bands and who missed 10% or more",
    "daily": "Days of the week, runs of absence and when a student first crossed 10%",
    "prior_year": "Change since last year",
    "reasons": "Reasons for absence, as far as they are recorded",
    "assignment": "Students with a mentor, and when it began",
    "unmentored": "A comparison of students who have a mentor with similar students who have none",
    "comparison_schools": "A comparison with schools that do not run the program",
    "contact": "What mentors did, and how soon after an absence",
    "barrier": "What gets in the way, as students and families told it",
    "referral": "Referrals to help, and what came of them",
}


@dataclass(frozen=True)
class Params(BaseParams):
    """What the data check can be asked for."""


def _context(study, params: Params):
    return make_context(study, params, TITLE)


def what_was_read(study, params: Params) -> Section:
    """Files, rows, and how many are in use: the row account file by file."""
    gate, totals = gate_of(study, params), study.account.totals
    used = totals["loaded"] + totals["repaired"]
    n = {key: (gate.about(value), value) for key, value in {**totals, "used": used}.items()}
    title = gate.text(
        "The files can be read: {used:,} of {rows_read:,} rows are in use",
        otherwise="The files can be read",
        used=n["used"],
        rows_read=n["rows_read"],
    )
    lead = gate.fixed("Every row is used, mended, set aside with its reason, or an exact repeat. "
                      + ("The four add up, file by file." if gate.is_team else "Numbers here are to the nearest ten."))
    shown = {"Rows read": "rows_read", "Rows in use": "used"}
    if gate.is_team:  # apart, mended and set-aside rows are few; partners have them per file, protected
        shown |= {"Used after mending": "repaired", "Set aside": "quarantined"}
    tiles = Tiles(tuple(_tile(gate, label, n[key]) for label, key in shown.items()))
    table = account_table(study, gate)
    numbers = {"rows": gate.numbers("rows", **(n if gate.is_team else {key: n[key] for key in shown.values()}))}
    return Section(
        _context(study, params),
        "what_was_read",
        title,
        (tiles, table),
        lead=lead,
        is_opening=True,
        numbers=numbers,
        tables={"row_account": table.data},
        off=tuple(map(gate.fixed, (*study.lacks(), *(() if gate.is_team else (NO_REASONS,))))),
    )


def _tile(gate: Gate, label: str, number: tuple[int, int]) -> Tile:
    return Tile(gate.fixed(label), gate.text("{n:,}", otherwise="under 10", n=number))


def account_table(study, gate: Gate) -> Table:
    """A row per file: read, used, mended, set aside, repeated."""
    data = released_account(study, gate)
    named = all(str(row.file).rsplit(".", 1)[0] == row.table for row in data.frame.itertuples())
    columns = (
        Column("file", "File"),
        *(() if named else (Column("table", "Table"),)),
        Column("rows_read", "Rows read", "integer"),
        Column("loaded", "As they stand", "integer"),
        Column("repaired", "Mended", "integer"),
        Column("quarantined", "Set aside", "integer"),
        Column("duplicate", "Exact repeats", "integer"),
    )
    gone = [column.label for column in columns if column.key in data.hidden and data.hidden[column.key].all()]
    few = f"Not shown, too few in every file: {listed(gone).lower()}. " if gone else ""
    return Table(
        gate.fixed("Every row is accounted for"),
        gate.fixed("Rows of each file, by what became of them"),
        data,
        tuple(column for column in columns if column.label not in gone),
        note=gate.fixed(few + data.rule),
        key="row_account",
    )


def mended_and_set_aside(study, params: Params) -> Section:
    """Why values were mended and rows set aside, and what was assumed: team only."""
    gate = gate_of(study, params)
    title = gate.fixed("What was mended and set aside, and why")
    if not gate.is_team:
        return Section(_context(study, params), "mended", title, ())
    reasons = reason_frame(study)
    lead = ("Set-aside rows stay on your computer. To mend them: run **evalkit check**, correct the export, and run "
            "the report again.")
    blocks: list[Any] = []
    if len(reasons):
        columns = (Column("file", "File"), Column("reason", "Reason"), Column("n", "Rows", "integer"))
        blocks.append(
            Table(
                "Reasons, most frequent first",
                "Rows of each file, by reason",
                reasons,
                columns,
                most_rows=40,
                key="reasons",
            )
        )
    else:
        blocks.append(Paragraph("Nothing was mended and nothing was set aside."))
    if study.remarks:
        blocks.append(BulletList("What was noticed or assumed", tuple(study.remarks)))
    return Section(
        _context(study, params),
        "mended",
        title,
        tuple(blocks),
        lead=lead,
        numbers={"reasons": reasons.to_dict("records"), "remarks": list(study.remarks)},
        tables={"reasons": reasons},
    )


def reason_frame(study) -> pd.DataFrame:
    """file x reason: rows. A reason of the form `column: what` names the column."""
    rows = [{"file": item.file, "reason": reason, "n": n} for item in study.account.files for reason, n in item.reasons]
    frame = pd.DataFrame(rows, columns=["file", "reason", "n"])
    return frame.sort_values(["n", "file", "reason"], ascending=[False, True, True], ignore_index=True)


def how_complete(study, params: Params) -> Section:
    """Per school the last complete day and the share of absences with a reason; mentors' logs that are missing."""
    gate = gate_of(study, params)
    data = school_table(study, gate)
    columns = (
        Column("school", "School"),
        Column("last_day", "Complete through", "date"),
        Column("n_students", "Students", "integer"),
        Column("n_absences", "Absences", "integer"),
        Column("reason_share", "With a reason", "percent"),
    )
    table = Table(
        gate.fixed("How far each school's attendance reaches"),
        gate.fixed("Last complete day, and absences whose reason is known"),
        data,
        columns,
        note=gate.fixed("Days after the last complete day are never counted as present. " + data.rule),
        key="completeness",
    )
    lines, logs = _log_lines(study, gate)
    blocks = (Row(((table,), (BulletList(gate.fixed("Mentors' logs"), lines),)), (8, 4)),)
    return Section(
        _context(study, params),
        "how_complete",
        gate.fixed("How complete the data are"),
        blocks,
        numbers={"schools": data.numbers.get("rows", []), "logs": logs},
        tables={"completeness": data},
    )


def school_table(study, gate: Gate):
    """School: last complete day, students, absences, and the share of absences with a reason."""
    where = _school_of_students(study)
    students = where.groupby("school_id")["student_id"].nunique()
    absences = _absences_with_reason(study)
    ids = sorted(set(students.index) | set(study.complete_through))
    counted = absences.groupby("school_id")["has_reason"].agg(["size", "sum"]).reindex(ids).fillna(0).astype("int64")
    frame = pd.DataFrame(
        {
            "school": [study.school_name(i) for i in ids],
            "last_day": [f"{study.complete_through[i]:%Y-%m-%d}" if i in study.complete_through else "" for i in ids],
            "n_students": students.reindex(ids).fillna(0).astype("int64").to_numpy(),
            "n_absences": counted["size"].to_numpy(),
            "n_with_reason": counted["sum"].to_numpy(),
        }
    )
    frame["reason_share"] = frame["n_with_reason"] / frame["n_absences"].where(frame["n_absences"] > 0)
    if not gate.is_team:
        return _coarse_completeness(frame, gate)
    return gate.table(
        "completeness",
        frame,
        keys=("school", "last_day"),
        counts=("n_students", "n_absences", "n_with_reason"),
        shares={"reason_share": ("n_with_reason", "n_absences")},
    )


def _coarse_completeness(frame: pd.DataFrame, gate: Gate):
    """The same outside the team: absences as days are told there, students (nearly those of other reports) about."""
    share = [gate.day_share(value, of) for value, of in zip(frame["reason_share"], frame["n_absences"], strict=True)]
    days = {name: [gate.days(n) for n in frame[name]] for name in ("n_absences", "n_with_reason")}
    return gate.table("completeness", frame.assign(reason_share=share, **days), keys=("school", "last_day"),
                      counts=("n_students",), plain=dict.fromkeys((*days, "reason_share"), "n_students"),
                      about=("n_students",))


def _school_of_students(study) -> pd.DataFrame:
    names = ("enrollment", "attendance_total", "attendance_event")
    parts = [study.table(name)[["student_id", "school_id"]] for name in names if name in study.can]
    return pd.concat(parts).drop_duplicates() if parts else study.table("enrollment")[["student_id", "school_id"]]


def _absences_with_reason(study) -> pd.DataFrame:
    """school_id, has_reason of each dated absence of the reported year."""
    from evalkit.sources.codes import code_rows, end_year_of

    events, codes = study.table("attendance_event"), study.table("code_table")
    events = events[end_year_of(events["date"]) == study.school_year]
    place = code_rows(events, codes, study.table("school"))
    known = place >= 0
    pattern = codes["pattern"].to_numpy(object)[np.maximum(place, 0)] if len(codes) else np.full(len(events), None)
    absent = codes["counts_absent"].to_numpy()[np.maximum(place, 0)] > 0 if len(codes) else np.zeros(len(events), bool)
    is_absent = (known & absent) | (events["absent_days"].to_numpy() > 0)
    named = known & ~pd.isna(pattern) & (pattern != "no_reason")
    return pd.DataFrame(
        {"school_id": events["school_id"].to_numpy(), "has_reason": named | events["reason_code"].notna().to_numpy()}
    )[is_absent]


def _log_lines(study, gate: Gate) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """How many mentors with students have written nothing down lately, in sentences."""
    if not {"assignment", "contact"} <= study.can:
        return (gate.fixed("Off: needs assignment and contact."),), {}
    held, contacts = study.table("assignment"), study.table("contact")
    open_now = held[held["end_date"].isna() | (held["end_date"] >= study.as_of)]
    recent = contacts[contacts["date"] > study.as_of - pd.Timedelta(days=LOG_DAYS)]
    mentors, n_students = set(open_now["mentor_id"]), int(open_now["student_id"].nunique())
    silent = mentors - set(recent["mentor_id"])
    untold = int((~open_now["student_id"].drop_duplicates().isin(contacts["student_id"])).sum())
    numbers = {
        "n_mentors": (len(mentors), n_students),
        "n_silent": (len(silent), (len(silent), len(mentors))),
        "n_untold": (untold, (untold, n_students)),
        "n_students": (n_students, n_students),
    }
    shown = gate.numbers("logs", **numbers)
    lines = (
        gate.text(
            "All mentors with students ({n_mentors}) wrote a contact down in the last 30 days."
            if not silent and shown["n_silent"] is not None
            else "{n_silent} of {n_mentors} mentors with students have no contact written down in the last 30 days.",
            otherwise="The number of mentors without a recent contact is withheld.",
            n_silent=numbers["n_silent"],
            n_mentors=numbers["n_mentors"],
        ),
        gate.text(
            "All students with a mentor ({n_students}) have a contact written down."
            if not untold and shown["n_untold"] is not None
            else "{n_untold} of {n_students} students with a mentor have no contact written down at all.",
            otherwise="The number of students without a contact is withheld.",
            n_untold=numbers["n_untold"],
            n_students=numbers["n_students"],
        ),
    )
    return lines, shown


def what_it_shows(study, params: Params) -> Section:
    """What this study can show, and what each missing table would switch on."""
    gate = gate_of(study, params)
    can = tuple(gate.fixed(f"{text}.") for name, text in SHOWS.items() if name in study.can)
    half = (len(can) + 1) // 2
    blocks: list[Any] = [
        Row(((BulletList("", can[:half], "bullets"),), (BulletList("", can[half:], "bullets"),)), (6, 6))
        if can
        else Paragraph(gate.fixed("Counts only."))
    ]
    off = tuple(gate.fixed(text) for text in study.lacks())
    if off:
        blocks.append(BulletList(gate.fixed("Not yet, and what would switch it on"), off))
    return Section(
        _context(study, params),
        "what_it_shows",
        gate.fixed("What this study can show"),
        tuple(blocks),
        numbers={"can": sorted(study.can)},
    )
