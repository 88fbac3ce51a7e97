"""The review's figures and number tables, each drawn from a released table: what is hidden is not drawn."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.programme import caseloads, closures, mentor_funnel, mentors_without_logs, referral_funnel, wilson, year_days
from evalkit.render.blocks import Callout, Column, Figure, Paragraph, Row, Table
from evalkit.reports import month_patterns
from evalkit.reports.gate import Gate, is_whole
from evalkit.reports.month_facts import BANDS, CHRONIC, Facts
from evalkit.reports.month_glance import band_rows, window_words
from evalkit.wording import count_words, date_words, listed, month_words, number, percent, say, share_title, string_table

COUNTS = ("n_chronic", *(f"n_{name}" for name in BANDS))


def released_measures(facts: Facts, gate: Gate) -> list[dict[str, Any]]:
    """results.json `measures`, small groups hidden for partners and the public."""
    rows = [dict(row) for row in facts.measures]
    if gate.is_team or any(row["n_chronic"] is None for row in rows):
        return rows if gate.is_team else [{"school_id": row["school_id"], "reason": row.get("reason", "")} for row in rows]
    frame = pd.DataFrame(rows).drop(columns=["reason"], errors="ignore")
    if len(frame) == 2:
        frame = frame.iloc[1:]
    bands = tuple(f"n_{name}" for name in BANDS)
    table = gate.table("measures", frame, keys=("school_id",), counts=("n_students", *COUNTS),
                       plain={"n_enrolled_days": "n_students", "n_absent_days": "n_students", "ada": "n_students"},
                       parts={"n_students": bands, "n_chronic": tuple(f"n_{name}" for name in CHRONIC)})
    found = list(table.numbers["rows"])
    return [{**found[0], "school_id": rows[0]["school_id"]}, *found] if len(rows) == 2 else found


def released_impact(facts: Facts, gate: Gate) -> dict[str, Any]:
    """results.json `impact_to_date`: the verdict; values only where both arms are large enough."""
    found = facts.impact.to_dict()
    look = facts.impact.now
    if gate.is_team or look is None:
        return found
    arms = [look.n_treated, look.n_comparison]
    return gate.numbers("impact", verdict=(look.verdict, None), gain_days=(look.value, arms), ci_low=(look.low, arms),
                        ci_high=(look.high, arms), n_treated=(look.n_treated, look.n_treated),
                        n_comparison=(look.n_comparison, look.n_comparison)) | {"unit": found["unit"]}


def day_label(study, on: pd.Timestamp) -> str:
    """"day 96" where every school stands on the same school day, else the date alone."""
    days = year_days(study)
    numbers = days[days["date"] <= on].groupby("school_id")["day_number"].max().unique()
    return f", day {numbers[0]}" if len(numbers) == 1 else ""


def bands_figure(study, facts: Facts, gate: Gate) -> Figure | Table | Callout:
    """Students by share of days missed: last year, at the last review, now."""
    if not len(facts.now):
        return Callout(gate.fixed("Students by share of days missed"), (gate.fixed(
            facts.overall.get("reason") or "There is no school day to count yet."),), tone="caution")
    before = facts.window.before
    labels = {"last_year": facts.last_year.get("label", "Last year, same school day"),
              "before": f"Last review, {date_words(before, year=False)}{day_label(study, before)}" if before is not None else "",
              "now": f"Now, {date_words(facts.window.end, year=False)}{day_label(study, facts.window.end)}"}
    rows = band_rows(facts, labels)
    table = gate.table("bands", rows, keys=("when",), counts=("n", "n_chronic", *BANDS), parts={"n": BANDS, "n_chronic": CHRONIC})
    columns = (Column("when", "When"), *(Column(name, say(f"band.{name}"), "integer", "students") for name in BANDS),
               Column("n", "All", "integer", "students"))
    measure = gate.fixed(f"Students by share of days missed, {_place(study)}, {date_words(facts.window.end)}. The black line marks "
                         "10%; each band includes its lower edge.")
    if not is_whole(table):
        return Table(gate.fixed("Students by share of days missed"), measure, table, columns, note=gate.fixed(table.rule), key="bands")
    shares = rows.assign(label=rows["when"], **{name: rows[name] / rows["n"] for name in BANDS})
    chronic = (rows["n_chronic"] / rows["n"]).tolist()
    has_last = bool(facts.last_year.get("n"))
    title = (share_title(chronic[-1], chronic[0], "last year") if has_last else
             share_title(chronic[-1], chronic[-2] if len(chronic) > 1 else None, "at the last review"))
    alt = " ".join(f"{row.when}: " + listed(f"{percent(getattr(row, name) / row.n, 1)} {say(f'band.{name}').lower()}" for name in BANDS) + "."
                   for row in rows.itertuples())
    return Figure(gate.fixed(title), measure, figures.band_bars(shares), gate.fixed(alt), table, columns, key="bands")


def _place(study) -> str:
    if study.school:
        return study.school_name(study.school)
    n = study.table("enrollment")["school_id"].nunique()
    return f"all {n} schools" if n > 1 else "the whole school"


def looks_figure(study, facts: Facts, gate: Gate) -> Figure | Callout:
    """The monthly looks at the mentored beside similar students, plan changes as dotted lines."""
    looks = facts.impact.looks
    title = gate.fixed("With a mentor, beside similar students")
    if not any(look.value is not None for look in looks):
        return Callout(title, (gate.fixed(facts.impact.off or "Too early: fewer than 20 school days since the match."),), tone="caution")
    rows = pd.DataFrame([{"label": look.label, "value": look.value, "ci_low": look.low, "ci_high": look.high,
                          "state": "" if look.value is not None else "Too few" if look.verdict == "too_few" else "Too early", "change": _change(study, looks, place),
                          "n_treated": look.n_treated, "n_comparison": look.n_comparison} for place, look in enumerate(looks)])
    table = gate.table("looks", rows.drop(columns=["state", "change"]), keys=("label",), counts=("n_treated", "n_comparison"),
                       plain={"value": "n_treated", "ci_low": "n_treated", "ci_high": "n_treated"})
    shown = table.frame.assign(state=rows["state"], change=rows["change"])
    shown.loc[shown["value"].isna() & shown["state"].eq(""), "state"] = "hidden"
    columns = (Column("label", "Month"), Column("value", "More days in school", "signed1", "days per 180-day year"),
               Column("ci_low", "From", "signed1"), Column("ci_high", "To", "signed1"),
               Column("n_treated", "Mentored", "integer", "students"), Column("n_comparison", "Similar", "integer", "students"))
    alt = " ".join(f"{row.label}: {row.state or number(row.value, 1) + ' days, from ' + number(row.ci_low, 1) + ' to ' + number(row.ci_high, 1)}."
                   for row in shown.itertuples())
    note = " ".join([*_change_notes(study, looks), "The interval stays valid although we look every month. Gray: earlier looks."])
    return Figure(title, gate.fixed("Difference in days per 180-day year; each end of the interval is 95% safe for monthly looks"),
                  figures.interval_looks(shown.astype({"value": "float64", "ci_low": "float64", "ci_high": "float64"})),
                  gate.fixed(alt), table, columns, note=gate.fixed(note), key="looks")


def _changes(study) -> pd.DataFrame:
    table = study.table("plan_change")
    table = table[table["changed_on"].notna() & (table["changed_on"] <= study.as_of)
                  & (table["changed_on"] >= pd.Timestamp(study.school_year - 1, 7, 1))]
    return table.sort_values("changed_on").reset_index(drop=True)


def _change(study, looks, place: int) -> str:
    since = pd.Timestamp(looks[place - 1].on) if place else pd.Timestamp(study.school_year - 1, 7, 1)
    changes = _changes(study)
    hit = changes.index[(changes["changed_on"] > since) & (changes["changed_on"] <= pd.Timestamp(looks[place].on))]
    return f"Plan change {hit[0] + 1}" if len(hit) else ""


def _change_notes(study, looks) -> list[str]:
    return [f"Plan change {place + 1} ({date_words(row.changed_on, year=False)}): {str(row.what)[:1].lower()}{str(row.what)[1:]}."
            for place, row in _changes(study).iterrows()]


def pattern_rows(study, facts: Facts, gate: Gate) -> list[Any]:
    """Page 3: schools and reasons, weekdays and what mentors do, help that waits."""
    schools, reasons = schools_figure(study, facts, gate), reasons_figure(study, facts, gate)
    weekdays, doing = weekday_figure(study, facts, gate), fidelity_table(facts, gate)
    top = Row(((schools,), (reasons,)), (8, 4)) if schools is not None else reasons
    rows = [top, Row(((weekdays,), (doing,)), (4, 8))]
    rows += [block for block in (help_table(study, gate), mentor_note(study, facts, gate)) if block is not None]
    return rows


def schools_figure(study, facts: Facts, gate: Gate) -> Figure | Table | None:
    """Share missing 10 % or more by school with Wilson's interval, in order of the school's id."""
    rows = [row for row in facts.measures if row["school_id"] is not None and row["n_chronic"] is not None and row["n_students"]]
    if len(rows) < 2 or len(rows) > 12:
        return None
    before = facts.last_year.get("by_school", {})
    frame = pd.DataFrame([{"school": study.school_name(row["school_id"]), "n": row["n_students"], "n_chronic": row["n_chronic"],
                           "value": row["n_chronic"] / row["n_students"], "n_before": before.get(row["school_id"], (None, None))[1],
                           "n_chronic_before": before.get(row["school_id"], (None, None))[0]} for row in rows])
    frame["before"] = pd.to_numeric(frame["n_chronic_before"]) / pd.to_numeric(frame["n_before"])
    ends = [wilson(n, of) for n, of in zip(frame["n_chronic"], frame["n"], strict=True)]
    frame = frame.assign(ci_low=[low for low, _ in ends], ci_high=[high for _, high in ends])
    table = gate.table("schools", frame.drop(columns=["before", "n_before", "n_chronic_before"]), keys=("school",), counts=("n", "n_chronic"),
                       shares={"value": ("n_chronic", "n"), "ci_low": ("n_chronic", "n"), "ci_high": ("n_chronic", "n")})
    columns = (Column("school", "School"), Column("n_chronic", "Missed 10% or more", "integer", "students"),
               Column("n", "All", "integer", "students"), Column("value", "Share", "percent1"))
    measure = gate.fixed(f"Share of students who missed 10% or more of days, {date_words(facts.window.end)}")
    title = gate.fixed(_schools_title(frame))
    if not is_whole(table):
        return Table(title, measure, table, columns, note=gate.fixed(table.rule), key="schools")
    shown = table.frame.assign(label=table.frame["school"], before=frame["before"])
    alt = listed(f"{row.school} {percent(row.value, 1)}" for row in frame.itertuples()) + "."
    return Figure(title, measure, figures.school_dots(shown), gate.fixed(alt), table, columns, key="schools",
                  note=gate.fixed("Schools stand in the order of their ids. They are not ranked: intervals overlap."))


def _schools_title(frame: pd.DataFrame) -> str:
    """Says "lower" or "higher" only of schools whose change since last year has an interval that excludes zero."""
    known = frame[frame["before"].notna()]
    changes = [share_change(int(row.n_chronic), int(row.n), int(row.n_chronic_before), int(row.n_before)) for row in known.itertuples()]
    lower, higher = sum(high < 0 for _, high in changes), sum(low > 0 for low, _ in changes)
    if known.empty or not (lower or higher):
        return "No school is clearly off its share of last year" if len(known) else "Schools side by side"
    parts = [f"{count_words(n)} clearly {way}" for n, way in ((lower, "lower"), (higher, "higher")) if n]
    return f"Of {count_words(len(known))} schools, {listed(parts)} than last year"


def share_change(n: int, of: int, n_before: int, of_before: int) -> tuple[float, float]:
    """95 % interval of the change of a share (Newcombe 1998, method 10: from the two Wilson intervals)."""
    now, before = n / of, n_before / of_before
    (low, high), (low0, high0) = wilson(n, of), wilson(n_before, of_before)
    down = ((now - low) ** 2 + (high0 - before) ** 2) ** 0.5
    up = ((high - now) ** 2 + (before - low0) ** 2) ** 0.5
    return now - before - down, now - before + up


def reasons_figure(study, facts: Facts, gate: Gate) -> Figure | Callout:
    """Known reasons of the window's absences, the largest five."""
    if "reasons" not in study.can:
        return Callout(gate.fixed("Reasons are not recorded"), (gate.fixed("A pattern in code_table, or barriers in the "
                       "mentors' log, would switch this on."),), tone="caution")
    rows = month_patterns.known_reasons(study, facts.window).head(5)
    if rows.empty:
        return Callout(gate.fixed("No reason is known yet"), (gate.fixed("Ask what would help, and write it down."),), tone="caution")
    n, of = month_patterns.reasons_known(study, facts.window.start, facts.window.end)
    table = gate.table("reasons", rows[["label", "n_students", "n", "share"]], keys=("label",), counts=("n_students",),
                       plain={"n": "n_students", "share": "n_students"})
    columns = (Column("label", "Reason"), Column("n", "Absences", "integer"), Column("n_students", "Students", "integer"),
               Column("share", "Share of known", "percent"))
    shown = table.frame[table.frame["share"].notna()]
    known = gate.text("{share:.0%} of all", share=(n / of, (n, of)))
    measure = gate.fixed(f"Known reasons, share of absences with a reason ({known}), {window_words(facts)}")
    if shown.empty:
        return Table(gate.fixed("Known reasons"), measure, table, columns, note=gate.fixed(table.rule), key="reasons")
    alt = listed(f"{row.label} {percent(row.share)}" for row in shown.itertuples()) + "."
    first = shown["label"].iloc[0]
    return Figure(gate.fixed(f"{first} is named most"), measure, figures.share_bars(shown), gate.fixed(alt), table, columns, key="reasons")


def weekday_figure(study, facts: Facts, gate: Gate) -> Figure | Callout:
    """Share of days missed by weekday, the year so far."""
    rows = month_patterns.by_weekday(study) if {"daily", "rates"} <= study.can else pd.DataFrame()
    if rows.empty:
        return Callout(gate.fixed("Weekdays are not known"), (gate.fixed("Dated absences and a calendar (attendance_event, "
                       "calendar, enrollment) would switch this on."),), tone="caution")
    names = string_table("en")["weekdays"]
    rows = rows.assign(day=[names[int(d)] for d in rows["weekday"]])
    table = gate.table("weekdays", rows[["day", "n_students", "absent_days", "enrolled_days", "share"]], keys=("day",), counts=("n_students",),
                       plain={"absent_days": "n_students", "enrolled_days": "n_students", "share": "n_students"})
    columns = (Column("day", "Weekday"), Column("absent_days", "Days missed", "integer"), Column("enrolled_days", "Days enrolled", "integer"),
               Column("share", "Share", "percent1"))
    measure = gate.fixed(f"Share of days missed by weekday, school year to {date_words(facts.window.end)}")
    title = gate.fixed(weekday_title(rows))
    if not is_whole(table):
        return Table(title, measure, table, columns, note=gate.fixed(table.rule), key="weekdays")
    shown = table.frame.assign(value=table.frame["share"], day=[str(d)[:1] for d in table.frame["day"]])
    alt = listed(f"{row.day} {percent(row.share, 1)}" for row in rows.itertuples()) + "."
    return Figure(title, measure, figures.weekday_dots(shown), gate.fixed(alt), table, columns, key="weekdays",
                  note=gate.fixed("Every student of these schools, all reasons."))


def weekday_title(rows: pd.DataFrame) -> str:
    """Names the weekday most days are missed on, only where it stands a tenth above the mean of the week."""
    mean = rows["absent_days"].sum() / rows["enrolled_days"].sum()
    high = rows[rows["share"] >= 1.05 * mean].sort_values("weekday")["day"].tolist()
    if not mean or not high or len(high) > 2:
        return "Weekdays look much alike"
    return f"{listed(f'{day}s' for day in high)} stand out"


def fidelity_table(facts: Facts, gate: Gate) -> Table | Callout:
    """The seven elements of the mentor's work: done in the window and in the one before."""
    rows = []
    for element in facts.elements:
        before = facts.element_before(element.code)
        rows.append({"what": say(f"element.{element.code}"), "n": element.n, "of": element.of, "share": element.share,
                     "n_before": before.n, "of_before": before.of, "before": before.share,
                     "counted": say(f"element_counted.{element.code}")})
    frame = pd.DataFrame(rows).astype({"n": "Int64", "of": "Int64", "n_before": "Int64", "of_before": "Int64", "share": "float64", "before": "float64"})
    known = frame[frame["of"].notna() & (frame["of"] > 0)].reset_index(drop=True)
    title = gate.fixed("What mentors did")
    if known.empty:
        return Callout(title, (gate.fixed(facts.elements[0].off or "No student is matched yet."),), tone="caution")
    table = gate.table("fidelity", known, keys=("what", "counted"), counts=("n", "of", "n_before", "of_before"),
                       shares={"share": ("n", "of"), "before": ("n_before", "of_before")})
    off = sorted({element.off for element in facts.elements if element.off})
    columns = (Column("what", "What mentors do"), Column("share", window_words(facts).capitalize(), "percent", "% done"),
               Column("before", "Before", "percent", "% done"), Column("n", "Done", "integer"), Column("of", "Of", "integer"),
               Column("counted", "Counted"))
    return Table(title, gate.fixed(f"Students with a mentor, {window_words(facts)}. Every student and mentor counts."), table, columns,
                 note=gate.fixed(" ".join([*off, "" if gate.is_team and is_whole(table) else table.rule]).strip()), key="fidelity")


def help_table(study, gate: Gate) -> Table | None:
    """Needs that were referred this year, and how many wait: where help is short."""
    if "referral" not in study.can:
        return None
    made = referral_funnel(study)
    made = made[made["pattern"].notna()]
    if made.empty:
        return None
    states = made.assign(connected=made["state"].eq("connected"), waiting=made["state"].isin(["waitlisted", "unknown"]))
    table = states.groupby("pattern").agg(n=("referral_id", "size"), connected=("connected", "sum"), waiting=("waiting", "sum")).reset_index()
    table = table.sort_values(["waiting", "n", "pattern"], ascending=[False, False, True]).head(4)
    table = table.assign(need=[month_patterns.reason_label(p) for p in table["pattern"]], ended=table["n"] - table["connected"] - table["waiting"])
    released = gate.table("help", table[["need", "n", "connected", "waiting", "ended"]].reset_index(drop=True), keys=("need",),
                          counts=("n", "connected", "waiting", "ended"), parts={"n": ("connected", "waiting", "ended")})
    n = gate.text("{n:,} referrals wait for an answer", n=(int(states["waiting"].sum()), int(states["waiting"].sum())))
    columns = (Column("need", "Need, as referred"), Column("n", "Referrals", "integer"), Column("connected", "Connected", "integer"),
               Column("waiting", "Waiting", "integer"), Column("ended", "Declined or closed", "integer"))
    return Table(n, gate.fixed("Referrals made this year, by need; the four with most waiting. A student can have several."), released,
                 columns, key="help", note=gate.fixed("" if gate.is_team else released.rule))


def mentor_note(study, facts: Facts, gate: Gate) -> Paragraph | None:
    """Caseloads, closures and mentors on the way, in a few sentences."""
    if not {"mentor", "assignment"} <= study.can:
        return None
    loads, ended, stages = caseloads(study, facts.window.start, facts.window.end), closures(study), mentor_funnel(study)
    steps = listed(f"{number(row.n)} {say(f'stage.{row.stage}')}" for row in stages.itertuples() if pd.notna(row.n))
    parts = [gate.fixed(f"Mentors: {steps}.")] if gate.is_team else []
    students = int(loads["n_students"].sum())
    parts.append(gate.text("{n:,} students have a mentor today; the plan has room for {cap:,}.", n=(students, students), cap=(int(loads["cap"].sum()), None)))
    early = ended[ended["is_early"]]
    if len(early) and gate.is_team:
        reasons = early["reason"].value_counts().rename_axis("reason").reset_index(name="n").sort_values(["n", "reason"], ascending=[False, True])
        named = listed(f"{say('end_reason.' + row.reason)} {row.n}" for row in reasons.head(3).itertuples())
        parts.append(f"{number(len(early))} pairings closed early this year ({named}).")
    return Paragraph(gate.fixed(" ".join(parts)), "note")


def programme_numbers(study, facts: Facts, gate: Gate) -> dict[str, Any]:
    """results.json `programme`: the elements, caseload, closures, mentors' funnel."""
    elements = [element.to_dict() for element in facts.elements]
    if not gate.is_team:
        kept = [{key: row[key] for key in ("element", "n", "of", "share")} for row in elements if row["of"]]
        shares = [gate.numbers("element", n=(row["n"], (row["n"], row["of"])), of=(row["of"], row["of"]),
                               share=(row["share"], (row["n"], row["of"]))) for row in kept]
        return {"elements": [{"element": row["element"], **released} for row, released in zip(kept, shares, strict=True)]}
    numbers: dict[str, Any] = {"elements": elements}
    if {"mentor", "assignment"} <= study.can:
        loads, ended = caseloads(study, facts.window.start, facts.window.end), closures(study)
        by_type = loads.groupby("mentor_type")[["n_students", "cap", "n_open", "is_over_cap"]].sum().reset_index()
        numbers |= {"caseload": by_type.to_dict("records"), "n_mentors_without_logs": len(mentors_without_logs(study, facts.window.start, facts.window.end)),
                    "closures": ended.groupby(["reason", "is_early"]).size().rename("n").reset_index().to_dict("records"),
                    "funnel": [{"stage": row.stage, "n": None if pd.isna(row.n) else int(row.n)} for row in mentor_funnel(study).itertuples()]}
    return numbers


def pattern_numbers(study, facts: Facts, gate: Gate) -> dict[str, Any]:
    """results.json `patterns`: shares by weekday and month, reasons known."""
    if not {"daily", "rates"} <= study.can:
        return {"reason": "Dated absences and a calendar would switch patterns on."}
    days, months = month_patterns.by_weekday(study), month_patterns.by_month(study)
    n, of = month_patterns.reasons_known(study, facts.window.start, facts.window.end)
    students = len(facts.now)
    shares = {f"weekday_{int(row.weekday)}": (row.share, row.n_students) for row in days.itertuples()}
    shares |= {f"month_{row.month}": (row.share, students) for row in months.itertuples()}
    return gate.numbers("patterns", **shares, reasons_known=(n, (n, of)), absences=(of, of))


def mentor_tables(study, facts: Facts, gate: Gate) -> dict[str, Any]:
    """For the team's workbook: caseloads and contacts on a day missed. Mentors stand by school and id, never ranked."""
    if not gate.is_team or not {"mentor", "assignment"} <= study.can:
        return {}
    from evalkit.programme import answered_absences, conflicts

    tables = {"mentors": caseloads(study, facts.window.start, facts.window.end)}
    if "contact" in study.can:
        calls = answered_absences(study, facts.window.start, facts.window.end)
        open_calls = calls[~calls["answered"]][["student_id", "mentor_id", "date", "due_on"]]
        tables |= {"unanswered_absences": open_calls, "contact_conflicts": conflicts(study, facts.window.start, facts.window.end)}
    return {name: table for name, table in tables.items() if len(table)}


def definitions(study, facts: Facts, gate: Gate) -> Row:
    """What the words on these pages mean."""
    share = f"{100 * study.rules.threshold:g}%"
    left = ("**Bands** include their lower edge; exactly 10% is in the third. Half days count as half. **Same school day last year:** the "
            "same day number, not the same date.",)
    right = (f"**Can still miss:** days that keep the whole year under {share}. **Similar students:** same school, like absence before "
             "the match, no mentor then.",)
    return Row(tuple((Paragraph(gate.fixed(text), "note"),) for text in (*left, *right)), (6, 6))


__all__ = ["bands_figure", "definitions", "looks_figure", "month_words", "pattern_numbers", "pattern_rows", "programme_numbers",
           "released_impact", "released_measures"]
