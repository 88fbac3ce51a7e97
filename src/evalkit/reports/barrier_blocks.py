"""The blocks of the barrier pages: figures and tables, each from a released table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.patterns.cells import is_cell
from evalkit.patterns.findings import group_words, pattern_words
from evalkit.patterns.reasons import co_occurring, reason_months, student_reasons
from evalkit.render.blocks import Callout, Column, Figure, Row, Table
from evalkit.reports.barrier_facts import NOT_FOR_PARTNERS, BarrierFacts, family_rows, open_to, reasons_known
from evalkit.reports.gate import Gate, is_whole
from evalkit.reports.rough import share_table, shown_columns

SHOWN = 8
RATIO = {"rate_ratio": "n_students", "ci_low": "n_students", "ci_high": "n_students"}
RESULT = ["kind", "group", "pattern", "n_students", "rate_ratio", "ci_low", "ci_high", "p_value", "q_value"]


def released_patterns(facts: BarrierFacts, gate: Gate, *, cells: bool = False) -> Any:
    """Everything searched, as results.json and tables/ hold it. cells: the subgroups of two columns instead."""
    rows = facts.table[is_cell(facts.table["group"]).eq(cells)]
    plain = {**RATIO, "p_value": "n_students", "q_value": "n_students"}
    return gate.table(
        "subgroups" if cells else "patterns",
        rows[RESULT].reset_index(drop=True),
        keys=("kind", "group", "pattern"),
        counts=("n_students",),
        plain=plain,
        about=("n_students",),
    )


def pattern_numbers(facts: BarrierFacts, gate: Gate, *, cells: bool = False) -> list[dict[str, Any]]:
    """results.json `patterns` (cells: `subgroups`)."""
    return list(released_patterns(facts, gate, cells=cells).numbers["rows"])


def finding_figure(study: Any, facts: BarrierFacts, row: pd.Series, title: str, gate: Gate) -> Figure | Table:
    """A finding among its sisters, rate ratios with intervals."""
    rows = family_rows(facts.table, row)
    by_pattern = rows["group"].nunique() == 1 and len(rows) > 1
    label = [
        pattern_words(p) if by_pattern else group_words(g, study.school_name)
        for g, p in zip(rows["group"], rows["pattern"], strict=True)
    ]
    frame = rows.assign(label=label)[["label", "n_students", "rate_ratio", "ci_low", "ci_high"]].reset_index(drop=True)
    table = gate.table("finding", frame, keys=("label",), counts=("n_students",), plain=RATIO, about=("n_students",))
    columns = (
        Column("label", "Group" if not by_pattern else "When or where"),
        Column("n_students", "Students", "integer"),
        Column("rate_ratio", "Times the rate", "decimal2"),
        Column("ci_low", "From", "decimal2"),
        Column("ci_high", "To", "decimal2"),
    )
    others = "the other schools" if str(row["group"]).startswith("school_id=") else "other students of the same schools"
    measure = gate.fixed(f"Rate of absence against {others} (1 is the same), with 95% interval")
    heading = gate.text("{title}", words={"title": title})
    if not is_whole(table):
        return Table(heading, measure, table, columns, note=gate.fixed(table.rule))
    alt = (
        "; ".join(f"{r.label} {r.rate_ratio:.2f} ({r.ci_low:.2f} to {r.ci_high:.2f})" for r in frame.itertuples()) + "."
    )
    return Figure(
        heading, measure, figures.rate_ratio_forest(table.frame), gate.text("{alt}", words={"alt": alt}), table, columns
    )


def standout_sentence(study: Any, facts: BarrierFacts, row: pd.Series, gate: Gate) -> str:
    """The dates a route stood out on, for the team."""
    if row["kind"] != "shared" or not gate.is_team or not row["n_days"]:
        return ""
    from evalkit.patterns.grid import day_grid, group_members
    from evalkit.patterns.shared import standout_days
    from evalkit.wording import date_words, listed

    grid = day_grid(study)
    groups = group_members(grid)
    days = standout_days(grid, {row["group"]: groups[row["group"]]}) if row["group"] in groups else pd.DataFrame()
    if not len(days):
        return ""
    return f"Mornings that stand out: {listed([date_words(day, year=False) for day in days['date'].head(8)])}."


def coverage_table(study: Any, facts: BarrierFacts, gate: Gate) -> Table:
    """How many absences have a reason, by school."""
    rows = reasons_known(facts, ["school_id"])
    rows = rows.assign(
        school=[study.school_name(s) for s in rows["school_id"]],
        reading=rows["enough"].map({True: "Enough", False: "Too few"}),
    )
    if not gate.is_team:
        rows = rows.assign(share=[gate.day_share(share, of) for share, of in zip(rows["share"], rows["n_absences"],
                                                                                strict=True)])
        rows = rows.assign(**{name: [gate.days(n) for n in rows[name]] for name in ("n_absences", "n_known")})
    frame = rows[["school", "reading", "n_students", "n_absences", "n_known", "share"]]
    table = gate.table(
        "coverage",
        frame,
        keys=("school", "reading"),
        counts=("n_students",),
        plain={"n_absences": "n_students", "n_known": "n_students", "share": "n_students"},
        about=() if gate.is_team else ("n_students",),  # less all students of the school: those never absent
    )
    columns = (
        Column("school", "School"),
        Column("n_absences", "Absences", "integer"),
        Column("n_known", "With a reason", "integer"),
        Column("share", "Share", "percent"),
        Column("reading", "Reading"),
    )
    low = rows[~rows["enough"]]["school"].tolist()
    note = "Nothing is concluded about reasons where fewer than six in ten absences have one. " + (
        f"Ask the office at {', '.join(low)} to record one reason per absence." if low else ""
    )
    return Table(
        gate.fixed("How many absences have a reason"),
        gate.fixed("Absences of the school year so far, by school"),
        table,
        columns,
        note=gate.text("{note}", words={"note": note.strip()}),
        key="coverage",
    )


def has_reasons(study: Any, facts: BarrierFacts, gate: Gate) -> bool:
    """Whether any student has a reason on record that this audience may see."""
    return not open_to(student_reasons(facts.absences, study.table("barrier")), gate.is_team).empty


def reason_blocks(study: Any, facts: BarrierFacts, gate: Gate) -> list[Any]:
    """Students by reason, and reasons that meet."""
    reasons = open_to(student_reasons(facts.absences, study.table("barrier")), gate.is_team)
    everyone = int(facts.absences["student_id"].nunique())
    count = (
        reasons.groupby("pattern")
        .agg(n_students=("student_id", "nunique"), n_mentor=("from_mentor", "sum"))
        .reset_index()
    )
    count = count.sort_values(["n_students", "pattern"], ascending=[False, True]).assign(n_all=everyone)
    count["label"] = [pattern_words(f"reason={p}") for p in count["pattern"]]
    count["share"] = count["n_students"] / everyone
    by_mentor = ["n_mentor"] if gate.is_team else []  # the funnel counts the same students by another road
    frame = count[["label", "n_students", *by_mentor, "n_all", "share"]].reset_index(drop=True)
    table = _reason_table(frame, by_mentor, gate)
    columns = shown_columns(
        table,
        Column("label", "Reason"),
        Column("n_students", "Students", "integer"),
        Column("share", "Share", "percent"),
        *(Column(name, "Named by a mentor", "integer") for name in by_mentor),
    )
    measure = gate.fixed(
        "Students with the reason on record this year, of students with an absence or a tardy. Shares overlap"
    )
    shown = table.frame.head(7)
    title = gate.fixed("Reasons on record, by students")
    found: list[Any] = []
    if not table.hidden.head(7).to_numpy().any():
        alt = "; ".join(f"{r.label} {100 * r.share:.0f}%" for r in shown.itertuples()) + "."
        found.append(
            Figure(
                title,
                measure,
                figures.share_bars(shown, widths=figures.FULL),
                gate.text("{alt}", words={"alt": alt}),
                table,
                columns,
                key="reasons",
            )
        )
    else:
        found.append(Table(title, measure, table, columns, note=gate.fixed(table.rule), key="reasons", most_rows=8))
    return found + _together(reasons, gate)


def _reason_table(frame: pd.DataFrame, by_mentor: list[str], gate: Gate) -> Any:
    """Outside the team shares alone: all students less those with an absence are few, and a count beside its share
    gives its base."""
    if not gate.is_team:
        return share_table("reasons", frame, gate, keys=("label",), n="n_students", of="n_all")
    return gate.table("reasons", frame, keys=("label",), counts=("n_students", *by_mentor, "n_all"),
                      shares={"share": ("n_students", "n_all")})


def reason_month_blocks(facts: BarrierFacts, gate: Gate) -> list[Any]:
    """Students with each of the commonest reasons, month by month, as shares of students with a known reason."""
    months = open_to(reason_months(facts.absences), gate.is_team)
    if months.empty:
        return []
    most = months.groupby("pattern")["n_students"].sum().sort_values(ascending=False).index[:6]
    months = months[months["pattern"].isin(most)]
    rank = {name: place for place, name in enumerate(most)}
    months = months.assign(place=months["pattern"].map(rank)).sort_values(["place", "month"])
    frame = pd.DataFrame(
        {
            "reason": [pattern_words(f"reason={p}") for p in months["pattern"]],
            "month": [pd.Timestamp(f"{m}-01").strftime("%b") for m in months["month"]],
            "n_students": months["n_students"].to_numpy(),
            "n_month": months["n_month"].to_numpy(),
            "share": months["share"].to_numpy(),
        }
    )
    table = gate.table(
        "reason_months",
        frame,
        keys=("reason", "month"),
        counts=("n_students", "n_month"),
        shares={"share": ("n_students", "n_month")},
    )
    columns = (
        Column("reason", "Reason"),
        Column("month", "Month"),
        Column("n_students", "Students", "integer"),
        Column("share", "Share", "percent"),
    )
    drawing = figures.heat_map(table.frame, row="reason", column="month", value="share", cuts=(0.05, 0.1, 0.2, 0.3))
    first = frame.drop_duplicates("reason") if gate.is_team else frame.iloc[:0]
    alt = (
        "; ".join(f"{r.reason} {100 * r.share:.0f}% in {r.month}" for r in first.itertuples()) or "Values in the table"
    )
    return [
        Figure(
            gate.fixed("Reasons month by month"),
            gate.fixed("Share of the month's students with a known reason; shares overlap"),
            drawing,
            gate.text("{alt}.", words={"alt": alt}),
            table,
            columns,
            key="reason_months",
        )
    ]


def side_by_side(found: list[Any]) -> list[Any]:
    """Two blocks in one row; any other number stays as it is."""
    return [Row(((found[0],), (found[1],)), (6, 6))] if len(found) == 2 else found


def _together(reasons: pd.DataFrame, gate: Gate) -> list[Any]:
    pairs = co_occurring(reasons[reasons["from_mentor"]], least=5).head(3)
    if pairs.empty:
        return []
    frame = pd.DataFrame(
        {
            "pair": [
                f"{pattern_words(f'reason={a}')} and {pattern_words(f'reason={b}')}"
                for a, b in zip(pairs["pattern"], pairs["other"], strict=True)
            ],
            "n_both": pairs["n_both"].to_numpy(),
            "lift": pairs["lift"].to_numpy(),
        }
    )
    table = gate.table("together", frame, keys=("pair",), counts=("n_both",), plain={"lift": "n_both"})
    columns = (
        Column("pair", "Barriers"),
        Column("n_both", "Students", "integer"),
        Column("lift", "Against chance", "decimal1", "times"),
    )
    return [
        Table(
            gate.fixed("Barriers that meet in one student"),
            gate.fixed("Barriers named by mentors, families or students"),
            table,
            columns,
            note=gate.fixed("Few students: a hint for a conversation, not a finding."),
            key="together",
        )
    ]


def profile_blocks(facts: BarrierFacts, gate: Gate) -> list[Any]:
    """Everyone's weekdays and months as rate ratios."""
    rows = facts.table[facts.table["group"].eq("all") & facts.table["kind"].eq("calendar")]
    found: list[Any] = []
    for name, title in (("weekday", "Weekdays, everyone"), ("month", "Months, everyone")):
        part = rows[rows["pattern"].str.startswith(name)]
        if part.empty:
            continue
        frame = part.assign(label=[pattern_words(p) for p in part["pattern"]])[
            ["label", "n_students", "rate_ratio", "ci_low", "ci_high"]
        ]
        table = gate.table(
            f"profile_{name}",
            frame.reset_index(drop=True),
            keys=("label",),
            counts=("n_students",),
            plain=RATIO,
            about=("n_students",),
        )
        columns = (
            Column("label", name.capitalize()),
            Column("rate_ratio", "Times the rate", "decimal2"),
            Column("ci_low", "From", "decimal2"),
            Column("ci_high", "To", "decimal2"),
        )
        measure = gate.fixed("Rate of absence against all other school days (1 is the same), with 95% interval")
        if name == "month" or not is_whole(table):
            note = "" if is_whole(table) else gate.fixed(table.rule)
            found.append(Table(gate.fixed(title), measure, table, columns, note=note, key=f"profile_{name}"))
            continue
        alt = "; ".join(f"{r.label} {r.rate_ratio:.2f}" for r in table.frame.itertuples()) + "."
        found.append(
            Figure(
                gate.fixed(title),
                measure,
                figures.rate_ratio_forest(table.frame.drop(columns="n_students")),
                gate.text("{alt}", words={"alt": alt}),
                table,
                columns,
                key=f"profile_{name}",
            )
        )
    return found


def findings_table(study: Any, facts: BarrierFacts, gate: Gate) -> Table | Callout:
    """Every pattern beyond chance, with the stronger one that explains it, if any."""
    rows = facts.table[facts.table["is_finding"]].sort_values("q_value")
    if rows.empty:
        return Callout(
            gate.fixed("Nothing stands out beyond chance"),
            (gate.text("{n} combinations were looked at.", n=(f"{facts.n_searched:,}", None)),),
        )
    frame = pd.DataFrame(
        {
            "group": [group_words(g, study.school_name) for g in rows["group"]],
            "pattern": [pattern_words(p) for p in rows["pattern"]],
            "n_students": rows["n_students"].to_numpy(),
            "rate_ratio": rows["rate_ratio"].to_numpy(),
            "ci_low": rows["ci_low"].to_numpy(),
            "ci_high": rows["ci_high"].to_numpy(),
            "explained": [_explained(text, study, gate) for text in rows["explained_by"]],
        }
    )
    table = gate.table(
        "findings",
        frame,
        keys=("group", "pattern", "explained"),
        counts=("n_students",),
        plain=RATIO,
        about=("n_students",),
    )
    columns = (
        Column("group", "Group"),
        Column("pattern", "Pattern"),
        Column("n_students", "Students", "integer"),
        Column("rate_ratio", "Times the rate", "decimal2"),
        Column("ci_low", "From", "decimal2"),
        Column("ci_high", "To", "decimal2"),
        *((Column("explained", "Goes with"),) if frame["explained"].head(SHOWN).any() else ()),
    )
    goes = "Goes with: a stronger pattern of other students explains this one. " if len(columns) > 6 else ""
    note = gate.text(
        "{n} combinations were looked at; of those listed, at most 5 in 100 are expected to be chance "
        "(Benjamini-Hochberg). {goes}{rule}",
        n=(f"{facts.n_searched:,}", None),
        words={"rule": "" if gate.is_team else table.rule, "goes": goes},
    )
    return Table(
        gate.fixed("Patterns beyond chance"),
        gate.fixed("Rate of absence against other students of the same schools, with 95% interval"),
        table,
        columns,
        note=note,
        key="findings",
        most_rows=SHOWN,
    )


def _explained(text: str, study: Any, gate: Gate) -> str:
    if not gate.is_team and any(name in text for name in NOT_FOR_PARTNERS):
        return "Another pattern"
    group, _, pattern = text.partition(" ")
    return f"{group_words(group, study.school_name)}, {pattern_words(pattern)}" if text else ""
