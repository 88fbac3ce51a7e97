"""Thanks to six groups, quotes with consent, and recognition without ranks."""

from __future__ import annotations

from typing import Any

from evalkit.disclosure.free_text import People
from evalkit.disclosure.types import Released, ReleasedNumbers
from evalkit.render.blocks import (
    BulletList,
    Callout,
    Column,
    Paragraph,
    Quote,
    Row,
    Table,
)
from evalkit.reports import celebration_facts as facts
from evalkit.reports.gate import Gate, is_whole
from evalkit.wording import date_words, listed, number, say

AWARDS = {
    "improved": "Improved attendance",
    "good": "Good attendance",
    "sustained": "Sustained attendance",
    "streak": "A long run in school",
    "other": "A personal step",
}


def thanks(study, counts: dict[str, Any], found: facts.Recognised, gate: Gate) -> list[Row]:
    """Thanks to six groups, each with one number of its own where there is one."""
    n_improved = _n_improved(study, found, gate)
    kinds = facts.mentors_by_type(study)
    mentors = listed(f"{number(n)} {say(f'mentor_type.{kind}').lower()}" for kind, n in kinds.items())
    texts = {
        "Students": gate.text(
            "You came back, again and again. {n:,} of you made a clear personal gain.",
            n=n_improved,
            otherwise="You came back, again and again.",
        ),
        "Families": gate.text(
            "You told us what got in the way. {n:,} families met their child's mentor.",
            n=(counts.get("n_families_met", 0), facts.told_on(study, counts, gate)["n_families_met"]),
            otherwise="You told us what got in the way.",
        )
        if counts.get("n_families_met")
        else gate.fixed("You told us what got in the way."),
        "Mentors": gate.text("{who}: thank you for every morning.", who=(mentors or "Mentors", None)),
        "Partners": _partners(study, counts, gate),
        "The whole school": gate.fixed(
            "Teachers, office staff, bus drivers and custodians: you noticed who was missing."
        ),
        "Everyone who helped": gate.fixed("Neighbors, nurses, coaches and volunteers: thank you for your time."),
    }
    blocks = [(Callout(gate.fixed(title), (text,), tone="panel"),) for title, text in texts.items()]
    return [Row(tuple(blocks[:3]), (4, 4, 4)), Row(tuple(blocks[3:]), (4, 4, 4))]


def _partners(study, counts: dict[str, Any], gate: Gate) -> str:
    table = study.table("organization")
    named = sorted(table.loc[table["thank_consent"].eq("yes").fillna(False), "name"].dropna())
    told = facts.told_on(study, counts, gate)
    links = (
        gate.text(" Together we made {n:,} links to help.", n=(counts["n_connected"], told["n_connected"]),
                  otherwise=" ")
        if counts.get("n_connected")
        else ""
    )
    if named:
        return gate.fixed(f"{listed(named[:4])}{' and others' if len(named) > 4 else ''}: thank you.{links}")
    return gate.fixed(f"Our partner organizations gave rides, care, coats and time.{links}")


def quotes(study, gate: Gate) -> Row | None:
    """Up to three quotes with consent, one per role, by role only: what works well first, what works less never."""
    table = study.table("insight")
    table = table[
        table["quote_consent"].eq("yes").fillna(False) & table["quote"].notna() & (table["date"] <= study.as_of)
        & ~table["works"].eq("works_less").fillna(False)
    ]
    if not gate.is_team:  # consent to share a quote is no consent to be named in it
        people = People(study)
        table = table.loc[[not people.in_text(str(quote)) for quote in table["quote"]]]
    table = table.assign(
        source_role=table["source_role"].fillna("other"), is_well=table["works"].eq("works_well").fillna(False)
    ).sort_values(["is_well", "date", "insight_id"], ascending=[False, False, True])
    order = {role: place for place, role in enumerate(("student", "family", "mentor", "teacher", "partner", "other"))}
    one = (
        table.drop_duplicates("source_role")
        .drop_duplicates("quote")
        .sort_values("source_role", key=lambda s: s.map(order))
        .head(3)
    )
    if one.empty:
        return None
    blocks = [(Quote(gate.fixed(row.quote), gate.fixed(say(f"role.{row.source_role}"))),) for row in one.itertuples()]
    widths = {1: (12,), 2: (6, 6), 3: (4, 4, 4)}[len(blocks)]
    return Row(tuple(blocks), widths)


def recognised_table(study, found: facts.Recognised, gate: Gate) -> Table | Paragraph:
    """Good and improved students per school: counts, in order of the school's id."""
    released = _released_recognised(study, found, gate)
    if released is None:
        return Paragraph(gate.fixed("No student can be recognized yet: fewer than 20 enrolled days."))
    if not gate.is_team and bool(released.hidden[["good", "improved"]].to_numpy().all()):
        return Paragraph(gate.fixed("Every school has students to thank for good days and for personal gains."))
    columns = (
        Column("school", "School"),
        Column("good", "Good", "integer", "students"),
        Column("improved", "Improved", "integer", "students"),
    )
    since = (
        f"{date_words(found.halves[0])} to {date_words(found.halves[1])}" if found.halves else date_words(study.as_of)
    )
    note = (
        "**Good:** missed under 5% of days this year. **Improved:** missed at least 3 points less than in the "
        "first half of the year, or moved to a "
        "better band. Days for a health plan do not count against anyone's thanks. A student can be in both columns."
    )
    return Table(
        gate.fixed("Good attendance and personal gains"),
        gate.fixed(since),
        released,
        columns,
        total_row=len(released.frame) > 1,
        note=gate.fixed(note if is_whole(released) else f"{note} {released.rule}"),
        key="recognised",
    )


def _released_recognised(study, found: facts.Recognised, gate: Gate) -> Released | None:
    """Recognised students per school and of all, as this copy may show them; None where there are none.

    The month's review shows how many missed under 5 % of days at each school. Most of them are recognised as good, so
    where a reader could tell the few who are not, the school's number is hidden.
    """
    table = facts.by_school(study, found)
    if table.empty:
        return None
    if len(table) > 1:
        table.loc[len(table)] = {"school_id": None, "school": "All schools", "good": int(table["good"].sum()),
                                 "improved": int(table["improved"].sum())}
    also: dict[int, tuple[str, ...]] = {}
    if not gate.is_team:
        whole = {school or "": n for school, n in facts.satisfactory(study).items()}
        schools = zip(table["school_id"].fillna(""), table["good"], strict=True)
        also = {row: ("good",) for row, (school, good) in enumerate(schools)
                if good and not gate.beside(good, max(good, whole.get(school, 0)), exact=True)}
    table = table[["school", "good", "improved"]]
    return gate.table("recognised", table, keys=("school",), counts=("good", "improved"), total="All schools",
                      also=also)


def recognised_counts(study, found: facts.Recognised, gate: Gate) -> ReleasedNumbers:
    """n_good, n_improved of all schools as the released table has them; None where hidden or where there are none."""
    released = _released_recognised(study, found, gate)
    last = released.numbers["rows"][-1] if released is not None else {"good": None, "improved": None}
    return ReleasedNumbers({f"n_{name}": last[name] for name in ("good", "improved")})


def _n_improved(study, found: facts.Recognised, gate: Gate) -> tuple[int | None, int | None]:
    """(how many improved, students it rests on): for others as the table of schools says, so that both agree."""
    if gate.is_team:
        return len(found.improved), len(found.improved)
    return recognised_counts(study, found, gate)["n_improved"], None


def names_list(study, found: facts.Recognised, gate: Gate) -> BulletList | Paragraph | None:
    """First names, team copy only, of students whose families said yes; unknown means no."""
    if not gate.is_team:
        return None
    named = found.named[found.named["display_name"].notna()]
    if named.empty:
        return Paragraph(
            "No names are printed: consent (recognition.name_consent) is needed, and unknown means no.", "note"
        )
    lines = []
    for award, rows in named.groupby("award", sort=True):
        names = sorted(rows["display_name"].unique())
        more = len(rows["student_id"].unique()) - len(names[:8])
        rest = f", and {number(more)} more" if more > 0 else ""
        lines.append(f"**{AWARDS.get(str(award), 'Recognized')}:** {listed(names[:8])}{rest}")
    return BulletList("Recognized by name, with consent", tuple(lines))
