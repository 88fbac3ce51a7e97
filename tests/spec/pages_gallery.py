# ruff: noqa: E501
"""Every block and every drawing on pages with made-up numbers, for tests and to look at: `pages_gallery.py DIR`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.disclosure.types import Released, ReleasedNumbers, ReleasedText
from evalkit.render import blocks as b

HOSTILE = ('<img src=x onerror=alert(1)>', '"><svg onload=alert(1)>', r"Ana $\frac{", "abc\u202egnp.exe",
           '#read("/etc/passwd")', "</style><script>alert(1)</script>", "=HYPERLINK(\"http://x\")", "zero\u200bwidth",
           "javascript:alert(1)", "{{ 7*7 }}", "**", "\x1b[31mred")


def bands() -> pd.DataFrame:
    return pd.DataFrame({"label": ["Last year, same school day", "December review, day 77", "Now, day 96"],
                         "satisfactory": [.467, .485, .496], "at_risk": [.281, .274, .274],
                         "moderate": [.169, .164, .155], "severe": [.070, .065, .064], "extreme": [.013, .012, .011]})


def looks() -> pd.DataFrame:
    nan = float("nan")
    return pd.DataFrame({"label": ["October", "November", "December", "January"], "value": [nan, 1.2, 1.8, 2.1],
                         "ci_low": [nan, -4.6, -2.2, -1.1], "ci_high": [nan, 7.0, 5.8, 5.3],
                         "state": ["Too early", "", "", ""], "change": ["", "", "Plan change 1", ""]})


def schools() -> pd.DataFrame:
    return pd.DataFrame({"label": ["Cedar Elementary", "Maple Elementary", "Harbor Elementary", "Lakeview Middle",
                                   "Riverbend High", "Bridge Academy"],
                         "value": [.177, .181, .210, .222, .274, .561], "ci_low": [.15, .15, .18, .20, .25, .41],
                         "ci_high": [.20, .21, .25, .25, .30, .70], "before": [.205, .200, .222, .26, .292, .585]})


def groups() -> pd.DataFrame:
    nan = float("nan")
    rows = [("Grades K to 5", 96, 1.2, -2.2, 4.6, 1), ("Grades 6 to 8", 84, 4.6, .9, 8.3, 1),
            ("Grades 9 to 12", 56, 4.2, -.3, 8.7, 1), ("English learners", 58, 3.9, -.5, 8.3, 2),
            ("Not English learners", 178, 2.8, .3, 5.3, 2), ("Economic disadvantage: yes", 181, 3.3, .8, 5.8, 3),
            ("Economic disadvantage: no", 55, 2.4, -2.1, 6.9, 3), ("Housing: moving often", nan, nan, nan, nan, 4)]
    return pd.DataFrame(rows, columns=["label", "n", "value", "ci_low", "ci_high", "block"])


def studies() -> pd.DataFrame:
    nan = float("nan")
    rows = [
        ("This program", "Six schools, against similar students", 3.1, 0.9, 5.3, "program", "3.1 days (0.9 to 5.3)"),
        ("Check & Connect, grades 5 to 7", "Chicago, by lottery", 4.2, nan, nan, "lottery", ""),
        ("Check & Connect, grades 1 to 4", "Chicago, by lottery: no clear effect", 0, nan, nan, "lottery", "about 0"),
        ("Tutoring 3 times a week", "Washington, DC, on tutoring days", 1.3, nan, nan, "other", ""),
        ("Success Mentors, New York City", "Did not meet federal review standards", 9, nan, nan, "other", "9 days"),
    ]
    return pd.DataFrame(rows, columns=["label", "detail", "value", "ci_low", "ci_high", "marker", "text"])


def balance() -> pd.DataFrame:
    return pd.DataFrame({"covariate": ["Days missed last year", "Days missed this fall, before the match", "Grade",
                                       "English learner", "Special education", "Economic disadvantage"],
                         "smd_before": [.12, .21, -.06, -.10, .09, .07], "smd_after": [.04, .08, .02, -.06, .05, .03]})


def reasons() -> pd.DataFrame:
    return pd.DataFrame({"label": ["Illness or health", "Transportation", "Family needs, care, work",
                                   "Does not feel safe or welcome", "Not engaged, no close adult",
                                   "Other, or a belief about absence"], "share": [.43, .17, .14, .10, .09, .07]})


def weekdays() -> pd.DataFrame:
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
    everyone, mentored = [.086, .069, .064, .070, .091], [.159, .126, .121, .129, .170]
    return pd.DataFrame({"panel": ["All"] * 5 + ["With a mentor"] * 5, "day": days * 2, "value": everyone + mentored,
                         "ci_low": [v - .004 for v in everyone] + [v - .017 for v in mentored],
                         "ci_high": [v + .004 for v in everyone] + [v + .017 for v in mentored]})


def months() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "month": ["September", "October", "November", "December", "January", "February"],
            "program": [0.19, 0.185, 0.17, 0.165, 0.15, 0.148],
            "comparison": [0.188, 0.186, 0.184, 0.19, 0.176, 0.175],
            "change": ["", "", "", "Plan change 1", "", ""],
        }
    )


def cells() -> pd.DataFrame:
    grades = ["K", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]
    names = ["Cedar Elementary", "Maple Elementary", "Lakeview Middle", "Riverbend High"]
    rows = [(s, g, None if (i + j) % 11 == 10 else .05 + ((7 * i + 5 * j) % 13) * .035)
            for i, s in enumerate(names) for j, g in enumerate(grades)]
    return pd.DataFrame(rows, columns=["row", "column", "value"]).astype({"value": "float64"})


def roster() -> pd.DataFrame:
    rows = [(1, 861, "students missed 10% or more last year", "kept"),
            (2, 41, "hardly attended: social worker first, not part of the study", "out"),
            (3, 248, "had a mentor by February 13", "kept"), (3, 572, "had no mentor", "kept"),
            (4, 12, "left out: 9 moved away, 3 matched under 20 days", "out"),
            (4, 100, "left out: 31 moved away, 69 had no similar match", "out"),
            (5, 236, "compared", "end"), (5, 472, "compared", "end")]
    return pd.DataFrame(rows, columns=["step", "n", "text", "kind"])


def moves() -> pd.DataFrame:
    rows = []
    for panel, first, second in (("With a mentor (236 students)", (.34, .20, .07), (.12, .17, .10)),
                                 ("Similar, no mentor (472 students)", (.29, .23, .10), (.09, .17, .12))):
        for source, values in (("10–20%", first), ("20% or more", second)):
            rows += [(panel, source, t, v) for t, v in zip(("under 10%", "10–20%", "20% or more"), values, strict=True)]
    return pd.DataFrame(rows, columns=["panel", "source", "target", "share"])


def bins() -> pd.DataFrame:
    return pd.DataFrame({"low": range(0, 40, 5), "high": range(5, 45, 5), "n": [610, 420, 330, 220, 130, 61, 28, 14]})


def panels() -> pd.DataFrame:
    rows = [(s, m, .15 + .02 * ((i + j) % 4), .17) for i, s in enumerate(schools()["label"])
            for j, m in enumerate(["September", "October", "November", "December", "January"])]
    return pd.DataFrame(rows, columns=["panel", "month", "value", "district"])


def ratios() -> pd.DataFrame:
    return pd.DataFrame({"label": ["Fridays, grade 9", "Day before a break, all schools", "Mondays, Harbor Elementary"],
                         "rate_ratio": [1.42, 1.18, 1.31], "ci_low": [1.2, 1.05, .97], "ci_high": [1.68, 1.33, 1.77],
                         "n_students": [212, 2398, 187]})


DRAWINGS: dict[str, Any] = {
    "band_bars": (figures.band_bars, bands, {}), "interval_looks": (figures.interval_looks, looks, {}),
    "school_dots": (figures.school_dots, schools, {}),
    "interval_forest": (figures.interval_forest, groups, {"group": "block", "overall": (3.1, .9, 5.3)}),
    "benchmark_forest": (figures.benchmark_forest, studies, {}), "love_plot": (figures.love_plot, balance, {}),
    "share_bars": (figures.share_bars, reasons, {}), "weekday_dots": (figures.weekday_dots, weekdays, {}),
    "trend_lines": (figures.trend_lines, months, {}), "heat_map": (figures.heat_map, cells, {}),
    "flow_diagram": (figures.flow_diagram, roster, {}),
    "flow_bands": (figures.flow_bands, moves, {"strong": ("under 10%",), "depths": {"under 10%": 1, "10–20%": 2,
                                                                                    "20% or more": 3}}),
    "distribution": (figures.distribution, bins, {"unit": "days missed", "line_at": 18, "line_words": "10% of 180"}),
    "small_multiples": (figures.small_multiples, panels, {"reference": "district"}),
    "rate_ratio_forest": (figures.rate_ratio_forest, ratios, {}),
}


def drawing(kind: str) -> figures.Drawing:
    """One drawing of the gallery by name."""
    if kind == "day_dots":
        return figures.day_dots(best=3.1, high=5.3, words=("about 3 days gained (dark)",
                                                           "at most about 5 (rings), at least about 1"))
    function, data, options = DRAWINGS[kind]
    return function(data(), **options)


def context(audience: str, **changes: Any) -> b.Context:
    given = {
        "report": "monthly_review",
        "report_title": "Monthly review",
        "study": "Riverbend School District",
        "program": "Success Mentors",
        "audience": audience,
        "as_of": "2026-01-30",
        "period": "2026-01",
        "last_day": "2026-01-30",
        "is_sample": True,
        "folder": "sample",
        "seed": 20260,
        "definitions": "**Missed 10% or more** (chronic absence): days missed for any reason divided by days "
        "enrolled. Exactly 10% counts.\n**Similar students:** same school and grade, like absence before the match, "
        "no mentor.\n**Probably better:** today's chance of a true gain is 80% or more.",
    }
    return b.Context(**given | changes)


def released(frame: pd.DataFrame, name: str, audience: str, hide: tuple[tuple[int, str], ...] = ()) -> Any:
    """A stand-in for disclosure control, for pages only: the given cells are hidden."""
    if audience == b.TEAM:
        return frame
    hidden = pd.DataFrame(False, index=frame.index, columns=frame.columns)
    shown = frame.copy().astype(object)
    for i, column in hide:
        hidden.loc[i, column], shown.loc[i, column] = True, None
    return Released(
        name, shown, hidden, "fewer than 10 students, or a number that would give such a group away.", audience
    )


def say(text: str) -> ReleasedText:
    return ReleasedText(text)


def figure(
    kind: str,
    title: str,
    audience: str,
    columns: tuple[b.Column, ...],
    data: pd.DataFrame,
    *,
    note: str = "",
    measure: str = "Share of students by days missed, all six schools, January 30, 2026",
) -> b.Figure:
    return b.Figure(say(title), say(measure), drawing(kind), say(f"Drawing of {kind}: made-up values in a sentence."),
                    released(data, kind, audience), columns, say(note), key=kind)


def sections(audience: str) -> list[b.Section]:
    c, col, p = context(audience), b.Column, say
    band_cols = (
        col("label", "When"),
        col("satisfactory", "Under 5%", "percent1"),
        col("moderate", "10–20%", "percent1"),
    )
    looks_cols = (col("label", "Month"), col("value", "Difference", "signed1", "days per 180"),
                  col("ci_low", "Low", "signed1", "days"), col("ci_high", "High", "signed1", "days"))
    opening = b.Section(
        c,
        "glance",
        p("In January, more students moved out of chronic absence than into it"),
        (
            b.Tiles(
                (
                    b.Tile(p("Average daily attendance"), p("92.4%"), p("91.6% on the same school day last year")),
                    b.Tile(p("Missed 10% or more"), p("23.0%"), p("774 of 3,372 students. Last year 25.2%")),
                    b.Tile(p("Absences followed up"), p("71%"), p("366 of 515 within one school day. December 64%")),
                    b.Tile(p("Three contacts a week"), p("62%"), p("of matched weeks reached 3 or more. December 57%")),
                )
            ),
            b.Row(
                (
                    (
                        figure(
                            "band_bars",
                            "The share of students missing 10% or more keeps shrinking",
                            audience,
                            band_cols,
                            bands(),
                            measure="Share of students by days missed, all six schools, day 96 of 180 (January 30, "
                            "2026). The black line marks 10%; each band includes its lower edge.",
                        ),
                    ),
                    (
                        b.Callout(
                            p("Students with a mentor: our verdict"),
                            (
                                p(
                                    "**2.1 more days** in school per 180-day year than 431 similar students. The true figure may lie "
                                    "anywhere from 1.1 days fewer to 5.3 days more."
                                ),
                                p("Based on 214 students matched for 20 school days or more."),
                            ),
                            headline=p("Probably better"),
                        ),
                    ),
                ),
                (8, 4),
            ),
            b.Row(
                (
                    (
                        figure(
                            "interval_looks",
                            "Each month narrows the answer",
                            audience,
                            looks_cols,
                            looks(),
                            note="Plan change 1 (December 1): calls home by 10 a.m. The interval stays valid although we "
                            "look every month.",
                            measure="Difference in days per 180-day year, mentored against similar "
                            "students, with 95% monthly-safe interval",
                        ),
                    ),
                    (
                        b.CountList(
                            p("This week's students, by list"),
                            tuple(
                                (p(n), p(t))
                                for n, t in (
                                    ("83", "Celebrate: clear personal improvement"),
                                    ("64", "Watch: 3 or more of the last 10 days, or 3 in a row. 58 are newly flagged"),
                                    ("21", "Decide: 8 weeks of steady mentoring, no gain yet"),
                                    ("1,216", "Reach out first: half the year missed, or not seen for 10 days"),
                                )
                            ),
                        ),
                    ),
                    (
                        b.BulletList(
                            p("How sound is this month's data?"),
                            (
                                p(
                                    "Five schools sent every day to January 30. Harbor sent to January 28; later days are left out, not "
                                    "counted as present."
                                ),
                                p("A reason is known for 64% of January's absences (December 58%)."),
                            ),
                        ),
                    ),
                ),
                (4, 4, 4),
            ),
        ),
        lead=p(
            "104 students are back below the 10% line since the December review; 76 crossed it. Students with a mentor "
            "are **probably doing better** than similar students, by about 2 days a year."
        ),
        is_opening=True,
        numbers=ReleasedNumbers(measures=[{"school_id": None, "n_students": 3372, "ada": 0.924}]),
        off=(p("Dosage by mentor is off: it needs the table contact."),),
    )
    return [opening, _patterns(c, audience), _method(c, audience), _words(c, audience), _rest(c, audience)]


def _patterns(c: b.Context, audience: str) -> b.Section:
    col, p = b.Column, say
    school_cols = (col("label", "School"), col("value", "Now", "percent1"), col("before", "Last year", "percent1"))
    needs = pd.DataFrame(
        {
            "need": [
                "Bus pass or ride",
                "Asthma and nurse plan",
                "After-school care for a brother or sister",
                "A talk about feeling safe at school",
            ],
            "students": [41, 33, 19, 24],
            "places": [18, 30, 20, 16],
            "who": [
                "Transit agency (asked January 14)",
                "County health clinic",
                "Parks department",
                "Counselors, peer group",
            ],
        }
    )
    actions = pd.DataFrame(
        {
            "action": ["Call home by 10 a.m. on the first day missed", "Ask the transit agency for 25 passes"],
            "owner": ["All mentors", "L. Grant"],
            "due": ["Jan 5", "Jan 14"],
            "status": ["Done", "Open"],
            "result": ["Absences answered rose from 64% to 71%", "Asked; answer due February 6"],
        }
    )
    return b.Section(
        c,
        "patterns",
        p("Patterns: where and when days are missed"),
        (
            b.Row(
                (
                    (
                        figure(
                            "school_dots",
                            "All six schools are below last year's share",
                            audience,
                            school_cols,
                            schools(),
                            note="Bridge Academy has 41 students, so its share can be off by 15 points by chance alone.",
                        ),
                    ),
                    (
                        figure(
                            "share_bars",
                            "Illness leads, then the bus",
                            audience,
                            (col("label", "Reason"), col("share", "Share", "percent", "% of known")),
                            reasons(),
                        ),
                    ),
                ),
                (8, 4),
            ),
            b.Row(
                (
                    (
                        figure(
                            "weekday_dots",
                            "Mondays and Fridays stand out",
                            audience,
                            (col("panel", "Group"), col("day", "Day"), col("value", "Absent", "percent1")),
                            weekdays(),
                            note="Same scale in both panels.",
                        ),
                    ),
                    (
                        b.Table(
                            p("Most of what mentors planned is happening"),
                            p("231 matched students and 68 mentors"),
                            released(needs, "needs_small", audience),
                            (
                                col("need", "What mentors do"),
                                col("students", "January", "integer", "% done"),
                                col("who", "How counted in January"),
                            ),
                        ),
                    ),
                ),
                (4, 8),
            ),
            b.Table(
                p("Bus help is short by 23 places"),
                p("Matched students with a coded need and the places open."),
                released(needs, "needs", audience, ((2, "students"), (3, "students"))),
                (
                    col("need", "Need, from coded reasons"),
                    col("students", "Students who need it", "integer"),
                    col("places", "Places now", "integer"),
                    col("who", "Who could help"),
                ),
                most_rows=3,
                key="needs",
                note=p("Rule: a student can have several needs."),
            ),
            b.Table(
                p("Two of last month's actions"),
                p(""),
                released(actions, "actions", audience),
                (
                    col("action", "Action from December"),
                    col("owner", "Owner"),
                    col("due", "Due"),
                    col("status", "Status", "status"),
                    col("result", "Result"),
                ),
            ),
        ),
        lead=p("Patterns point to something to ask about. They do not say why."),
        starts_page=True,
        tables={"needs": released(needs, "needs", audience, ((2, "students"), (3, "students")))},
    )


def _method(c: b.Context, audience: str) -> b.Section:
    col, p = b.Column, say
    total = pd.DataFrame({"school": ["Cedar Elementary", "Harbor Elementary", "All schools"], "good": [251, 224, 475],
                          "p": [0.0004, 0.034, None], "diff": [-1.24, 3.0, 0.04]})
    group_cols = (col("label", "Group"), col("n", "Mentored students", "integer", "compared"),
                  col("value", "Difference", "signed1", "days per 180"))
    return b.Section(
        c,
        "method",
        p("Who took part, and what others found"),
        (
            b.Row(
                (
                    (
                        b.BigNumber(
                            p("Extra days in school per 180-day year"),
                            p("+3.1"),
                            p("days"),
                            p("95% interval: 0.9 to 5.3 days"),
                            (
                                (p("Chance the gain is above zero"), p("more than 99 in 100")),
                                (p("Effect size (Hedges' g)"), p("0.18 (0.05 to 0.31)")),
                            ),
                        ),
                    ),
                    (
                        figure(
                            "benchmark_forest",
                            "The gain sits within the range other studies found",
                            audience,
                            (col("label", "Study"), col("value", "Days per 180", "decimal1")),
                            studies(),
                        ),
                    ),
                ),
                (4, 8),
            ),
            b.Row(
                (
                    (
                        figure(
                            "flow_diagram",
                            "Who is in the result",
                            audience,
                            (col("text", "Step"), col("n", "Students", "integer")),
                            roster(),
                        ),
                    ),
                    (
                        figure(
                            "interval_forest",
                            "Every group's estimate is above zero; only some are clear",
                            audience,
                            group_cols,
                            groups(),
                            note="Dashed line and band: all students, 3.1 (0.9 to 5.3).",
                        ),
                    ),
                ),
                (5, 7),
            ),
            b.Row(
                (
                    (
                        figure(
                            "love_plot",
                            "The two groups were close at the start",
                            audience,
                            (
                                col("covariate", "Measure"),
                                col("smd_before", "Before", "signed2"),
                                col("smd_after", "After", "signed2"),
                            ),
                            balance(),
                        ),
                    ),
                    (
                        b.Table(
                            p("Good attendance in every school"),
                            p("January 5 to June 12, 2026"),
                            released(total, "good", audience),
                            (
                                col("school", "School"),
                                col("good", "Good", "integer", "students"),
                                col("diff", "Change", "signed1", "points"),
                                col("p", "p", "p_value"),
                            ),
                            total_row=True,
                        ),
                        b.Callout(
                            p("How strong is this evidence?"),
                            (
                                p(
                                    "It **could support a Tier 2 claim** under federal law "
                                    "**if reviewed**. No outside reviewer has rated it."
                                ),
                            ),
                            tone="caution",
                        ),
                    ),
                ),
                (5, 7),
            ),
        ),
        starts_page=True,
    )


def _words(c: b.Context, audience: str) -> b.Section:
    p = say
    return b.Section(
        c,
        "words",
        p("What we learned, and next year"),
        (
            b.Row(
                tuple(
                    (b.Callout(p(t), (p(x),), tone="answer"),)
                    for t, x in (
                        (
                            "What was done",
                            "68 mentors greeted students, called when they were out, and helped families find support.",
                        ),
                        ("For whom", "248 students in six schools who had missed 10% or more of days last year."),
                        (
                            "Did it help?",
                            "Yes, very likely. They were in school about 3 more days than 472 similar students.",
                        ),
                        ("How sure are we?", "Quite sure it is more than zero. Less sure how much."),
                    )
                ),
                (3, 3, 3, 3),
            ),
            b.Row(
                (
                    (
                        figure(
                            "day_dots",
                            "Three more school days out of 180, give or take two",
                            audience,
                            (b.Column("step", "Part"), b.Column("n", "Days", "integer")),
                            roster(),
                        ),
                    ),
                    (
                        b.EventBox(
                            p("Thursday, June 18, 2026"),
                            p("5:30 to 7:00 p.m."),
                            "",
                            p("Dinner and child care are free."),
                        ),
                    ),
                ),
                (8, 4),
            ),
            b.Row(
                tuple(
                    (b.Callout(p(t), (p(x),), tone="panel"),)
                    for t, x in (
                        ("Students", "You came back, again and again. 633 of you made a clear personal gain."),
                        ("Families", "You told us what got in the way."),
                        ("Mentors", "You made 20,740 contacts."),
                    )
                ),
                (4, 4, 4),
            ),
            b.Row(
                tuple(
                    (b.Quote(p(t), p(r)),)
                    for t, r in (
                        ("She says good morning like she means it.", "Student, middle school"),
                        ("They asked what would help. It was the bus.", "Parent, elementary school"),
                    )
                ),
                (6, 6),
            ),
            b.Callout(
                p("Good news for all students"),
                (p("Across all six schools, **23%** of students missed 10% or more. We cannot say why."),),
                tone="thanks",
            ),
            b.Row(
                (
                    (
                        b.BulletList(
                            p("What works well"),
                            (p("Calling home before 10 a.m."), p("Greeting at the bus stop")),
                            style="bullets",
                        ),
                        b.FormLines("", (p(""), p(""))),
                    ),
                    (
                        b.BulletList(
                            p("Questions for the meeting"),
                            (p("What are we proud of this month?"), p("What will we change, by whom, by when?")),
                            style="numbers",
                        ),
                    ),
                ),
                (6, 6),
            ),
            b.FormTable(p("Next actions"), (p("Action"), p("Owner"), p("Due"), p("We will know it worked when")), 3),
            b.FormLines(p("For the notes"), (p("Owner"), p("Due"))),
        ),
        starts_page=True,
    )


def _rest(c: b.Context, audience: str) -> b.Section:
    """Every other drawing, one after the other."""
    col = b.Column
    used = (
        "band_bars",
        "interval_looks",
        "school_dots",
        "share_bars",
        "weekday_dots",
        "benchmark_forest",
        "flow_diagram",
        "interval_forest",
        "love_plot",
    )
    names = [kind for kind in DRAWINGS if kind not in used]
    return b.Section(c, "rest", say("Further drawings"), tuple(
        figure(kind, f"The drawing called {kind}", audience, tuple(
            col(str(name), str(name)) for name in DRAWINGS[kind][1]().columns), DRAWINGS[kind][1]()) for kind in names),
        starts_page=True)


def main(folder: Path) -> None:
    from evalkit.render.html import page_html
    from evalkit.render.pdf import page_pdf

    folder.mkdir(parents=True, exist_ok=True)
    for audience in b.AUDIENCES:
        found = sections(audience)
        (folder / f"{audience}.html").write_text(page_html(found), encoding="utf-8")
        (folder / f"{audience}.pdf").write_bytes(page_pdf(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
