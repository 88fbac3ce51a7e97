"""The celebration's blocks: the four answers, thanks to six groups, quotes, recognition, what changed, next year."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.render.blocks import BulletList, Callout, Column, CountList, EventBox, Figure, FormLines, Paragraph, Quote, Row, Table
from evalkit.reports import celebration_facts as facts
from evalkit.reports.gate import Gate, is_whole
from evalkit.reports.impact_line import Impact
from evalkit.reports.month_actions import WORKS
from evalkit.reports.month_patterns import reason_label
from evalkit.wording import Gain, date_words, gain_title, grade_words, listed, number, plural, say

AWARDS = {"improved": "Improved attendance", "good": "Good attendance", "sustained": "Sustained attendance", "streak": "A long run in school",
          "other": "A personal step"}


def gain(impact: Impact) -> Gain | None:
    """The newest look as a gain in days, where there is one to state."""
    look = impact.now
    if look is None or look.value is None or look.low is None or look.high is None:
        return None
    return Gain(look.value, look.low, look.high)


def event(study) -> EventBox:
    """Day, time and place from `[celebration]`; blank ones become lines to fill in."""
    settings = study.config.celebration
    day = settings.get("date", "")
    return EventBox(date_words(day) if day else "", str(settings.get("time", "")), str(settings.get("place", "")))


def opening(study, impact: Impact, counts: dict[str, Any], gate: Gate) -> tuple[str, str]:
    """Headline: the mentored students' change with similar students' beside it, or what was done."""
    found, term = gain(impact), study.config.mentor_term
    who = gate.text("This year {n:,} students had a {term}.", words={"term": term}, n=(counts["n_students"], counts["n_students"]))
    if found is None:
        title = gate.text("{n:,} students had someone in their corner this year", n=(counts["n_students"], counts["n_students"]),
                          otherwise="Students had someone in their corner this year")
        return title, gate.fixed(f"{who} {impact.off}".strip())
    look = impact.now
    arms = [look.n_treated, look.n_comparison]
    lead = gate.text("They were in school {gain} {way} days each than {m:,} similar students without one, in a year of 180 days. The true figure "
                     "may lie anywhere from **{low} to {high}**.", words={"way": "more" if found.value >= 0 else "fewer"},
                     gain=(f"about {number(abs(found.value), 1)}", arms), m=(look.n_comparison, look.n_comparison),
                     low=(_days(found.low), arms), high=(_days(found.high), arms))
    return gate.text("{title}", title=(gain_title(found), arms), otherwise="A year of being there"), gate.fixed(f"{who} {lead}")


def _days(value: float) -> str:
    return f"{number(abs(value), 1)} days {'more' if value >= 0 else 'fewer'}"


def answers(study, impact: Impact, counts: dict[str, Any], gate: Gate) -> Row:
    """What was done, for whom, did it help, how sure are we."""
    done = gate.text("{n:,} mentors greeted students, called when they were out, and helped families find support.",
                     n=(counts["n_mentors"], None))
    schools = study.table("school")
    n_schools = int(schools["programme_school"].eq(True).sum()) or len(schools)
    whom = gate.text("{n:,} students{where} who were matched because they had missed many days.",
                     words={"where": f" in {plural(n_schools, 'school')}" if n_schools else ""}, n=(counts["n_students"], counts["n_students"]))
    return Row(tuple((Callout(gate.fixed(title), (text,), tone="answer"),) for title, text in (
        ("What was done", done), ("For whom", whom), ("Did it help?", _helped(impact, gate)), ("How sure are we?", _sure(impact, gate)))), (3, 3, 3, 3))


def _helped(impact: Impact, gate: Gate) -> str:
    look, found = impact.now, gain(impact)
    if found is None:
        return gate.fixed("We cannot say: there is no comparison with similar students in this study.")
    arms = [look.n_treated, look.n_comparison]
    words = {"clearly_better": "Yes.", "leans_better": "It leans that way.", "no_clear_change": "We cannot tell yet.",
             "leans_worse": "It leans the other way.", "clearly_worse": "No, not this year.", "too_early": "It is too early to say.",
             "too_few": "There are too few students to judge alone."}[look.verdict]
    return gate.text("{words} They were in school about {gain} {way} days than similar students.",
                     words={"words": words, "way": "more" if found.value >= 0 else "fewer"}, gain=(number(abs(found.value), 1), arms))


def _sure(impact: Impact, gate: Gate) -> str:
    look, found = impact.now, gain(impact)
    if found is None:
        return gate.fixed("Not sure at all. The number of contacts is certain; what they changed is not known.")
    arms = [look.n_treated, look.n_comparison]
    start = "Quite sure it is more than zero." if found.low > 0 else "Not sure it differs from zero." if found.high > 0 else "Quite sure it is less than zero."
    return gate.text("{start} The range runs from {low} to {high}.", words={"start": start}, low=(_days(found.low), arms), high=(_days(found.high), arms))


def days_figure(impact: Impact, gate: Gate) -> Figure | Callout:
    """A school year of dots, only where the whole interval is a gain; else the range in words."""
    look, found = impact.now, gain(impact)
    if found is None:
        return Callout(gate.fixed("With a mentor, beside similar students"), (gate.fixed(impact.off or "Not compared."),), tone="caution")
    arms = [look.n_treated, look.n_comparison]
    released = gate.numbers("days", value=(found.value, arms), low=(found.low, arms), high=(found.high, arms))
    if found.low <= 0 or None in released.values():
        text = gate.text("Students with a mentor and similar students differ by {value} days. The range is {low} to {high}, so we cannot say that "
                         "one group was in school more.", value=(number(found.value, 1), arms), low=(_days(found.low), arms), high=(_days(found.high), arms))
        return Callout(gate.fixed("With a mentor, beside similar students"), (text,), tone="caution")
    table = gate.table("days_gained", pd.DataFrame([{"what": "Days gained in a 180-day year", "n_treated": look.n_treated, "n_comparison": look.n_comparison,
                       "value": found.value, "low": found.low, "high": found.high}]), keys=("what",), counts=("n_treated", "n_comparison"),
                       plain={"value": "n_treated", "low": "n_treated", "high": "n_treated"})
    columns = (Column("what", "Measure"), Column("value", "Best estimate", "decimal1"), Column("low", "From", "decimal1"), Column("high", "To", "decimal1"),
               Column("n_treated", "Mentored", "integer"), Column("n_comparison", "Similar", "integer"))
    best = f"about {plural(round(found.value), 'day')} gained (dark)"
    words = (best, f"at most about {number(found.high)} (rings), at least about {number(found.low)}")
    return Figure(gate.fixed(f"About {plural(round(found.value), 'more school day', 'more school days')} out of 180"),
                  gate.fixed("Each dot is one school day of the year for one mentored student, compared with similar students"),
                  figures.day_dots(best=found.value, high=found.high, words=words), gate.fixed(f"{best}; {words[1]}."), table, columns,
                  note=gate.fixed("Mentors were not given out by lottery, so part of the gain may have other causes."), key="days_gained")


def what_mentors_did(counts: dict[str, Any], gate: Gate) -> CountList | Callout:
    """The year's work in four numbers."""
    n = counts["n_students"]
    lines = []
    if counts.get("n_contacts") is not None:
        lines = [(gate.text("{v:,}", v=(counts["n_contacts"], n)), gate.fixed("greetings, talks and calls")),
                 (gate.text("{v:,}", v=(counts["n_answered"], (counts["n_answered"], counts["n_absences"]))),
                  gate.text("absences answered within one school day, of {of:,}", of=(counts["n_absences"], counts["n_absences"])))]
    if counts.get("n_connected") is not None:
        lines.append((gate.text("{v:,}", v=(counts["n_connected"], counts["n_connected"])), gate.fixed("links to help made")))
    if counts.get("n_hours") is not None:
        lines.append((gate.text("{v:,}", v=(counts["n_hours"], None)), gate.fixed("hours given")))
    title = gate.fixed("What our mentors did")
    return CountList(title, tuple(lines)) if lines else Callout(title, (gate.fixed("The table contact would switch this on."),), tone="caution")


def thanks(study, counts: dict[str, Any], found: facts.Recognised, gate: Gate) -> list[Row]:
    """Thanks to six groups, each with one number of its own where there is one."""
    n_improved = len(found.improved)
    kinds = facts.mentors_by_type(study)
    mentors = listed(f"{number(n)} {say(f'mentor_type.{kind}').lower()}" for kind, n in kinds.items())
    texts = {
        "Students": gate.text("You came back, again and again. {n:,} of you made a clear personal gain.", n=(n_improved, n_improved)),
        "Families": gate.text("You told us what got in the way. {n:,} families met their child's mentor.",
                              n=(counts.get("n_families_met", 0), counts.get("n_families_met", 0)))
        if counts.get("n_families_met") else gate.fixed("You told us what got in the way."),
        "Mentors": gate.text("{who}: thank you for every morning.", who=(mentors or "Mentors", None)),
        "Partners": _partners(study, counts, gate),
        "The whole school": gate.fixed("Teachers, office staff, bus drivers and custodians: you noticed who was missing."),
        "Everyone who helped": gate.text("Neighbors, nurses, coaches and volunteers gave {n:,} hours.", n=(counts["n_hours"], None))
        if counts.get("n_hours") else gate.fixed("Neighbors, nurses, coaches and volunteers: thank you."),
    }
    blocks = [(Callout(gate.fixed(title), (text,), tone="panel"),) for title, text in texts.items()]
    return [Row(tuple(blocks[:3]), (4, 4, 4)), Row(tuple(blocks[3:]), (4, 4, 4))]


def _partners(study, counts: dict[str, Any], gate: Gate) -> str:
    table = study.table("organization")
    named = sorted(table.loc[table["thank_consent"].eq("yes").fillna(False), "name"].dropna())
    links = gate.text(" Together we made {n:,} links to help.", n=(counts["n_connected"], counts["n_connected"])) if counts.get("n_connected") else ""
    if named:
        return gate.fixed(f"{listed(named[:4])}{' and others' if len(named) > 4 else ''}: thank you.{links}")
    return gate.fixed(f"Our partner organizations gave rides, care, coats and time.{links}")


def quotes(study, gate: Gate) -> Row | None:
    """Up to three quotes with consent, one per role, by role only."""
    table = study.table("insight")
    table = table[table["quote_consent"].eq("yes").fillna(False) & table["quote"].notna() & (table["date"] <= study.as_of)]
    table = table.assign(source_role=table["source_role"].fillna("other")).sort_values(["date", "insight_id"], ascending=[False, True])
    order = {role: place for place, role in enumerate(("student", "family", "mentor", "teacher", "partner", "other"))}
    one = table.drop_duplicates("source_role").drop_duplicates("quote").sort_values("source_role", key=lambda s: s.map(order)).head(3)
    if one.empty:
        return None
    blocks = [(Quote(gate.fixed(row.quote), gate.fixed(say(f"role.{row.source_role}"))),) for row in one.itertuples()]
    widths = {1: (12,), 2: (6, 6), 3: (4, 4, 4)}[len(blocks)]
    return Row(tuple(blocks), widths)


def flows_figure(study, impact: Impact, gate: Gate) -> Figure | Table | Callout:
    """Bands last year and this year, of students over 10 % last year: with a mentor beside similar ones."""
    pairs = (impact.details or {}).get("students")
    title = "Where students who missed 10% or more last year are now"
    if pairs is None or "prior_year" not in study.can:
        return Callout(gate.fixed(title), (gate.fixed("Shown only beside similar students, because many students do better after a hard year, with or "
                       "without a mentor. A comparison and last year's days (prior_year) would switch this on."),), tone="caution")
    rows = pd.concat([facts.year_flows(study, pairs[arm]).assign(panel=name) for arm, name in (("treated", "With a mentor"), ("comparison", "Similar, no mentor"))])
    names = {"under": "under 10%", "moderate": "10–20%", "severe": "20% or more"}
    rows = rows.assign(source=rows["from_band"].map(names), target=rows["to_band"].map(names),
                       order=rows["to_band"].map({"under": 0, "moderate": 1, "severe": 2}))
    rows = rows.sort_values(["panel", "order", "from_band"], ascending=[False, True, True])
    total = rows.groupby("panel")["n_students"].transform("sum")
    rows = rows.assign(n=total, share=rows["n_students"] / total)
    table = gate.table("flows", rows[["panel", "source", "target", "n_students", "n", "share"]].reset_index(drop=True), keys=("panel", "source", "target"),
                       counts=("n_students", "n"), shares={"share": ("n_students", "n")})
    columns = (Column("panel", "Group"), Column("source", "Last year"), Column("target", "This year"), Column("n_students", "Students", "integer"),
               Column("share", "Share", "percent"))
    measure = gate.fixed("Students who missed 10% or more of days last year, and the share they missed this year. Same scale")
    note = gate.fixed("Many students do better after a hard year, with or without a mentor. That is why both groups are shown.")
    if rows.empty:
        return Callout(gate.fixed(title), (gate.fixed("No student who is compared missed 10% or more last year."),), tone="caution")
    if not is_whole(table):
        return _ends_table(rows, gate, title, f"{note}")
    under = rows[rows["to_band"] == "under"].groupby("panel")["share"].sum()
    alt = " ".join(f"{name}: {number(100 * share)}% now under 10%." for name, share in under.items())
    return Figure(gate.fixed(title), measure, figures.flow_bands(table.frame, strong=("under 10%",)), gate.fixed(alt), table, columns, note=note, key="flows")


def _ends_table(rows: pd.DataFrame, gate: Gate, title: str, note: str) -> Table:
    """Where a flow is too small to show: only where each group ends, in the same release for nothing else."""
    ends = rows.groupby(["panel", "target", "order", "n"], as_index=False)["n_students"].sum().sort_values(["panel", "order"], ascending=[False, True])
    ends = ends.assign(share=ends["n_students"] / ends["n"])[["panel", "target", "n_students", "n", "share"]].reset_index(drop=True)
    table = gate.table("flows", ends, keys=("panel", "target"), counts=("n_students", "n"), shares={"share": ("n_students", "n")})
    columns = (Column("panel", "Group"), Column("target", "Missed this year"), Column("n_students", "Students", "integer"), Column("share", "Share", "percent"))
    return Table(gate.fixed(title), gate.fixed("Students who missed 10% or more of days last year, by the share they missed this year"), table, columns,
                 note=gate.fixed(note if is_whole(table) else f"{note} {table.rule}"), key="flows")


def recognised_table(study, found: facts.Recognised, gate: Gate) -> Table | Paragraph:
    """Good and improved students per school: counts, in order of the school's id."""
    table = facts.by_school(study, found)[["school", "good", "improved"]]
    if table.empty:
        return Paragraph(gate.fixed("No student can be recognized yet: fewer than 20 enrolled days."))
    if len(table) > 1:
        table.loc[len(table)] = ["All schools", int(table["good"].sum()), int(table["improved"].sum())]
    released = gate.table("recognised", table, keys=("school",), counts=("good", "improved"), total="All schools")
    columns = (Column("school", "School"), Column("good", "Good", "integer", "students"), Column("improved", "Improved", "integer", "students"))
    since = f"{date_words(found.halves[0])} to {date_words(found.halves[1])}" if found.halves else date_words(study.as_of)
    note = ("**Good:** missed under 5% of days this year. **Improved:** missed at least 3 points less than in the first half of the year, or moved to a "
            "better band. Days for a health plan do not count against anyone's thanks. A student can be in both columns.")
    return Table(gate.fixed("Good attendance and personal gains"), gate.fixed(since), released, columns, total_row=len(table) > 1,
                 note=gate.fixed(note if is_whole(released) else f"{note} {released.rule}"), key="recognised")


def names_list(study, found: facts.Recognised, gate: Gate) -> BulletList | Paragraph | None:
    """First names, team copy only, of students whose families said yes; unknown means no."""
    if not gate.is_team:
        return None
    named = found.named[found.named["display_name"].notna()]
    if named.empty:
        return Paragraph("No names are printed: consent (recognition.name_consent) is needed, and unknown means no.", "note")
    lines = []
    for award, rows in named.groupby("award", sort=True):
        names = sorted(rows["display_name"].unique())
        more = len(rows["student_id"].unique()) - len(names[:24])
        lines.append(f"**{AWARDS.get(str(award), 'Recognized')}:** {listed(names[:24])}{f', and {number(more)} more' if more > 0 else ''}")
    return BulletList("Recognized by name, with consent", tuple(lines))


def good_news(study, gate: Gate) -> Callout | None:
    """The share of all students over 10 %, this year and last, and that we cannot say why it moved."""
    from evalkit.measures import is_chronic, prior_rates

    year, prior = facts.banded(study), prior_rates(study)
    if year.empty or prior.empty:
        return None
    n, of = int(year["is_chronic"].eq(True).sum()), len(year)
    n0, of0 = int(is_chronic(prior, rules=study.rules).eq(True).sum()), len(prior)
    better = n / of < n0 / of0
    text = gate.text("**{now:.0%}** of students missed 10% or more of days this year. Last year it was **{before:.0%}**. We cannot say why. Thank you to every "
                     "family and every classroom.", now=(n / of, (n, of)), before=(n0 / of0, (n0, of0)))
    return Callout(gate.fixed("Good news for all students" if better else "All students together"), (text,), tone="thanks")


def learned(study, gate: Gate) -> Row:
    """What we learned, what we will change, how you can help."""
    table = study.table("insight")
    table = table[table["date"].notna() & (table["date"] <= study.as_of)]
    worked = _top(table[table["works"] == "works_well"], "Works well: ") + _top(table[table["works"] == "works_less"], "Works less well: ")
    changes = study.table("plan_change")
    changes = changes[changes["changed_on"].notna() & (changes["changed_on"] <= study.as_of)].sort_values("changed_on")
    will = [f"Keep: {what[:1].lower()}{what[1:]}." for what in changes["what"].dropna().astype(str)][:3]
    will += _top(table[table["works"] == "could_do"], "Try: ")[:1]
    return Row(((_or_lines("What we learned", worked[:3], gate),), (_or_lines("What we will change", will[:3], gate),), (_asks(study, gate),)), (4, 4, 4))


def _top(table: pd.DataFrame, before: str) -> list[str]:
    counts = table["theme"].dropna().value_counts().rename_axis("theme").reset_index(name="n").sort_values(["n", "theme"], ascending=[False, True])
    return [f"{before}{str(theme).replace('_', ' ')}." for theme in counts["theme"].head(2)]


def _or_lines(title: str, items: list[str], gate: Gate) -> BulletList | FormLines:
    return BulletList(gate.fixed(title), tuple(map(gate.fixed, items)), "bullets") if items else FormLines(gate.fixed(title), (gate.fixed(""),) * 3)


def _asks(study, gate: Gate) -> BulletList:
    asks = [gate.fixed("**Be a mentor:** 15 minutes a day, three days a week.")]
    needs = facts.waiting_needs(study) if "referral" in study.can else pd.DataFrame()
    if len(needs):
        row = needs.iloc[0]
        asks.append(gate.text("**Help with {need}:** {n:,} students still wait.", words={"need": reason_label(row["pattern"]).lower()},
                              n=(int(row["n_students"]), int(row["n_students"])), otherwise=f"**Help with {reason_label(row['pattern']).lower()}:** some students still wait."))
    asks.append(gate.fixed("**Tell a neighbor:** two days missed a month add up to 18 a year."))
    return BulletList(gate.fixed("How you can help"), tuple(asks), "bullets")


def next_year_table(ahead: dict[str, Any], gate: Gate, school_year: int) -> Table:
    """The forecast in four rows, each with how we know."""
    n, of = ahead["n_may_need_support"], ahead["n_returning"]
    rows = [{"what": "Students who may need support", "n": n, "of": of, "how": "Missed 10% or more this year and stay, if next year is like this one"}]
    if "n_mentored" in ahead:
        rows += [{"what": "Mentored students who return", "n": ahead["n_mentored_returning"], "of": ahead["n_mentored"], "how": "Matched today, not in grade 12"},
                 {"what": "Mentors today", "n": ahead["n_mentors"], "of": pd.NA, "how": "With a student now; ask each about next year"},
                 {"what": "Places in the plan", "n": ahead["n_places"], "of": pd.NA, "how": "Most students per mentor, added up"}]
    for grade, count in ahead["n_into_transition"].items():
        rows.append({"what": f"Students moving up into grade {grade_words(grade)}", "n": count, "of": pd.NA, "how": "A new school year to plan for"})
    frame = pd.DataFrame(rows).astype({"n": "Int64", "of": "Int64"})
    released = gate.table("next_year", frame, keys=("what", "how"), counts=("n", "of"))
    places = ahead.get("n_places")
    title = ("More students may need a mentor than we have places" if places is not None and n > places else "What we know about next year")
    return Table(gate.fixed(title), gate.fixed(f"Forecast for {school_year}–{str(school_year + 1)[2:]}"), released,
                 (Column("what", "Next year"), Column("n", "Number", "integer"), Column("how", "How we know")),
                 note=gate.fixed("" if is_whole(released) else released.rule), key="next_year")


__all__ = ["WORKS", "answers", "days_figure", "event", "flows_figure", "good_news", "learned", "names_list", "next_year_table", "opening", "quotes",
           "recognised_table", "thanks", "what_mentors_did"]
