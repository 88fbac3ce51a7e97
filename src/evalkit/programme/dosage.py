"""The seven elements of a mentor's work (seed 000 a-h), each as a count out of what it could have been."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from evalkit.programme.spans import (
    active_assignments,
    assignments,
    held_contacts,
    kept,
    matched_days,
    next_school_day,
    year_days,
)

CONTACTS_A_WEEK = 3
INTRODUCE_WITHIN = 10
SHORTEST_WEEK = 3
"""A week with fewer matched school days is not asked for three contacts."""
WITH_STUDENT = ("a_greet", "b_call_absent", "c_track_celebrate", "d_meeting", "e_family_intro", "f_connect_resource")
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Element:
    """One element: n done of `of` possible. off: why it cannot be counted, and what would switch it on."""

    code: str
    n: int | None
    of: int | None
    off: str = ""
    students: tuple[int, int] | None = None
    """How many students the n done and the `of` possible are about: days and weeks of few students are many."""

    @property
    def share(self) -> float | None:
        return self.n / self.of if self.n is not None and self.of else None

    def to_dict(self) -> dict:
        """For results.json; the interval is Wilson's, as if the days were independent."""
        low, high = wilson(self.n, self.of) if self.n is not None and self.of else (None, None)
        found = {"element": self.code, "n": self.n, "of": self.of, "share": self.share, "ci_low": low, "ci_high": high}
        return found | ({"reason": self.off} if self.off else {})


def wilson(n: int, of: int, z: float = Z95) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927): stays inside 0-1 and is honest for small counts."""
    share, center = n / of, (n + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * (of * share * (1 - share) + z * z / 4) ** 0.5
    return max(0.0, center - half), min(1.0, center + half)


def greetings(study, start=None, end=None) -> pd.DataFrame:
    """Matched days on which the student was in school for any part, with `greeted`. Grain: student_id x date."""
    days = matched_days(study, start, end)
    present = days[days["absent_units"] < days["units"]].copy()
    held = held_contacts(study, start, end)
    greeted = held.loc[held["activity"] == "a_greet", ["student_id", "date"]].drop_duplicates().assign(greeted=True)
    present = present.merge(greeted, on=["student_id", "date"], how="left")
    present["greeted"] = present["greeted"].eq(True)
    return present


def answered_absences(study, start=None, end=None) -> pd.DataFrame:
    """Absences of matched students whose next school day falls in the window, and the call that followed.

    An absence is answered when a call home (activity b, an attempt counts) was made on the day or by the end of the
    next school day; reached when such a call was held. Grain: student_id x date. Counted by the day the answer is due,
    so that every absence stands in exactly one month.
    """
    return kept(study, f"answered_absences {start} {end}", lambda: _answered_absences(study, start, end)).copy()


def _answered_absences(study, start, end) -> pd.DataFrame:
    days = matched_days(study, None, end)
    missed = days[days["absent_units"] > 0].copy()
    missed["due_on"] = next_school_day(year_days(study), missed)
    last = min(pd.Timestamp(end) if end is not None else study.as_of, study.as_of)
    missed = missed[missed["due_on"].notna() & (missed["due_on"] <= last)]
    if start is not None:
        missed = missed[missed["due_on"] >= pd.Timestamp(start)]
    calls = held_contacts(study, None, last, attempts=True)
    calls = calls.loc[calls["activity"] == "b_call_absent", ["student_id", "date", "status"]]
    calls = calls.rename(columns={"date": "call_on"}).assign(held=lambda c: c["status"].isna() | c["status"].eq("held"))
    pairs = missed[["student_id", "date", "due_on"]].merge(calls, on="student_id")
    pairs = pairs[(pairs["call_on"] >= pairs["date"]) & (pairs["call_on"] <= pairs["due_on"])]
    found = (
        pairs.groupby(["student_id", "date"]).agg(answered_on=("call_on", "min"), reached=("held", "any")).reset_index()
    )
    missed = missed.merge(found, on=["student_id", "date"], how="left")
    missed["answered"] = missed["answered_on"].notna()
    missed["reached"] = missed["reached"].eq(True)
    return missed.reset_index(drop=True)


def matched_weeks(study, start=None, end=None) -> pd.DataFrame:
    """Weeks (Monday to Sunday) with at least 3 matched school days, by the week's last school day in the window.

    n_contacts counts held contacts of a-f, n_checkins those of d, minutes theirs. Grain: student_id x week.
    """
    days = matched_days(study, None if start is None else pd.Timestamp(start) - pd.Timedelta(days=7), end)
    if days.empty:
        return days[["student_id", "date", "school_id"]].rename(columns={"date": "week"}).assign(
            n_days=0, n_contacts=0, n_checkins=0, minutes=0.0
        )
    calendar = year_days(study).assign(week=lambda d: _monday(d["date"]))
    last_day = calendar.groupby(["school_id", "week"])["date"].max().rename("last_day").reset_index()
    weeks = days.assign(week=_monday(days["date"])).groupby(["student_id", "school_id", "week"]).size()
    weeks = weeks.rename("n_days").reset_index().merge(last_day, on=["school_id", "week"])
    final = min(pd.Timestamp(end) if end is not None else study.as_of, study.as_of)
    keep = (weeks["n_days"] >= SHORTEST_WEEK) & (weeks["last_day"] <= final)
    if start is not None:
        keep &= weeks["last_day"] >= pd.Timestamp(start)
    weeks = weeks[keep].drop_duplicates(["student_id", "week"])
    held = held_contacts(study, None, end)
    held = held[held["activity"].isin(WITH_STUDENT)].assign(week=lambda c: _monday(c["date"]))
    held = held.assign(checkin=held["activity"].eq("d_meeting"), worth=held["minutes"].astype("float64").fillna(0.0))
    counts = (
        held.groupby(["student_id", "week"])
        .agg(n_contacts=("contact_id", "size"), n_checkins=("checkin", "sum"), minutes=("worth", "sum"))
        .reset_index()
    )
    weeks = weeks.merge(counts, on=["student_id", "week"], how="left")
    counted = ["n_contacts", "n_checkins", "minutes"]
    weeks[counted] = weeks[counted].fillna(0)
    return weeks.astype({"n_contacts": "int64", "n_checkins": "int64"})


def family_introductions(study) -> pd.DataFrame:
    """For each pairing: the family's introduction (activity e, held) and the 10th school day it was due by.

    state: in_time, late, missing (due and not held) or not_due. Grain: student_id x mentor_id x begin_date.
    """
    pairs = _with_school(study, assignments(study))
    days = year_days(study)
    if days.empty or pairs.empty:
        return pairs.assign(due_on=pd.NaT, introduced_on=pd.NaT, state="not_due")
    pairs = pd.merge_asof(
        pairs.sort_values("begin_date"),
        days[["school_id", "date", "day_number"]].sort_values("date"),
        left_on="begin_date",
        right_on="date",
        by="school_id",
        direction="forward",
    )
    due = next_school_day(
        days, pairs.assign(day_number=pairs["day_number"].fillna(10**6).astype("int64")), ahead=INTRODUCE_WITHIN
    )
    pairs["due_on"] = due
    held = held_contacts(study)
    met = held.loc[held["activity"] == "e_family_intro", ["student_id", "mentor_id", "date"]].rename(
        columns={"date": "met_on"}
    )
    both = pairs[["student_id", "mentor_id", "begin_date", "end_date"]].merge(met, on=["student_id", "mentor_id"])
    both = both[both["end_date"].isna() | (both["met_on"] <= both["end_date"])]
    first = (
        both.groupby(["student_id", "mentor_id", "begin_date"])["met_on"].min().rename("introduced_on").reset_index()
    )
    pairs = pairs.merge(first, on=["student_id", "mentor_id", "begin_date"], how="left")
    pairs["state"] = [_introduction(row.introduced_on, row.due_on, study.as_of) for row in pairs.itertuples()]
    return pairs.drop(columns=["date"])


def _introduction(introduced, due, as_of) -> str:
    if pd.notna(introduced):
        return "late" if pd.notna(due) and introduced > due else "in_time"
    return "missing" if pd.notna(due) and due < as_of else "not_due"


def referral_funnel(study) -> pd.DataFrame:
    """Referrals made this year by as_of and where they stand; an outcome dated after as_of is not known yet.

    Grain: referral_id. state: connected, waitlisted, declined, no_show, not_eligible or unknown.
    """
    table = study.table("referral")
    table = table[table["made_date"].isna() | (table["made_date"] <= study.as_of)].copy()
    days = year_days(study)
    if len(days):
        table = table[table["made_date"].isna() | (table["made_date"] >= days["date"].min() - pd.Timedelta(days=60))]
    later = table["outcome_date"].notna() & (table["outcome_date"] > study.as_of)
    table["state"] = table["outcome"].mask(later).fillna("unknown")
    return table.reset_index(drop=True)


def logging_mentors(study, start=None, end=None) -> pd.DataFrame:
    """Mentors with a student in the window: weeks they could have logged and weeks they did. Grain: mentor_id."""
    days = matched_days(study, start, end)
    if days.empty:
        return pd.DataFrame(columns=["mentor_id", "n_weeks", "n_weeks_logged"])
    weeks = days.assign(week=_monday(days["date"]))[["mentor_id", "week"]].drop_duplicates()
    rows = held_contacts(study, start, end, attempts=True)
    logged = rows.assign(week=_monday(rows["date"]))[["mentor_id", "week"]].drop_duplicates().assign(logged=1)
    weeks = weeks.merge(logged, on=["mentor_id", "week"], how="left").fillna({"logged": 0})
    found = weeks.groupby("mentor_id")["logged"].agg(n_weeks="size", n_weeks_logged="sum").reset_index()
    return found.astype({"n_weeks_logged": "int64"})


def meeting_attendance(study, start=None, end=None) -> pd.DataFrame:
    """Mentors with an active student and the mentor meetings they came to in the window. Grain: mentor_id."""
    active = matched_days(study, start, end)[["mentor_id"]].drop_duplicates()
    rows = held_contacts(study, start, end)
    came = rows.loc[rows["activity"] == "h_team_meeting", ["mentor_id", "date"]]
    meetings = study.table("team_meeting")
    meetings = meetings[meetings["kind"].isna() | meetings["kind"].eq("mentor_meeting")]
    inside = meetings["date"] <= min(pd.Timestamp(end) if end is not None else study.as_of, study.as_of)
    if start is not None:
        inside &= meetings["date"] >= pd.Timestamp(start)
    listed = meetings.loc[inside, ["date", "mentor_ids"]].dropna()
    listed = listed.assign(mentor_id=listed["mentor_ids"].astype(str).str.split(";")).explode("mentor_id")
    listed["mentor_id"] = listed["mentor_id"].str.strip()
    both = pd.concat([came, listed[["mentor_id", "date"]]]).drop_duplicates()
    counts = both.groupby("mentor_id").size().rename("n_meetings").reset_index()
    found = active.merge(counts, on="mentor_id", how="left").fillna({"n_meetings": 0})
    return found.astype({"n_meetings": "int64"})


def conflicts(study, start=None, end=None) -> pd.DataFrame:
    """In-person contacts with a student on a day the record says was missed whole: one of the two is wrong.

    Grain: contact_id. Listed, never dropped.
    """
    rows = held_contacts(study, start, end)
    in_person = rows["mode"].eq("in_person") & ~rows["activity"].isin(["e_family_intro", "g_notes", "h_team_meeting"])
    in_person &= rows["with_whom"].isna() | rows["with_whom"].eq("student")
    days = matched_days(study, start, end)
    whole = days.loc[(days["absent_units"] >= days["units"]) & (days["units"] > 0), ["student_id", "date", "school_id"]]
    return rows[in_person].merge(whole, on=["student_id", "date"])[
        ["contact_id", "student_id", "mentor_id", "school_id", "date", "activity"]
    ]


def escalations(study, start=None, end=None) -> pd.DataFrame:
    """Log rows a mentor marked as beyond what one person can solve (needs_team). Grain: contact_id."""
    rows = held_contacts(study, start, end, attempts=True)
    return rows[rows["needs_team"].eq(True).fillna(False) & rows["student_id"].notna()]


def fidelity(study, *, start=None, end=None) -> tuple[Element, ...]:
    """The seven elements in the seed's order, with three contacts a week at the end.

    start, end: dates, both included (default: the whole year to as_of). Raises nothing: an element that cannot be
    counted carries the sentence that says which table would switch it on.
    """
    no_log = "" if "contact" in study.can else "No mentor log is in the study; the table contact would switch this on."
    no_days = (
        ""
        if "daily" in study.can
        else "Days are known as totals only; attendance_event and calendar would switch this on."
    )
    off = no_log or no_days
    if "assignment" not in study.can:
        off = no_log = "No student is matched with a mentor; the table assignment would switch this on."

    def made(code, why, count):
        if why:
            return Element(code, None, None, why)
        n, of, *students = count()
        return Element(code, n, of, students=tuple(students) or None)

    weeks = matched_weeks(study, start, end) if not off else pd.DataFrame({"n_checkins": [], "n_contacts": []})
    return (
        made("a_greet", off, lambda: _done(greetings(study, start, end), "greeted")),
        made("b_call_absent", off, lambda: _done(answered_absences(study, start, end), "answered")),
        made("d_meeting", off, lambda: _done(weeks.assign(done=weeks["n_checkins"] >= 1))),
        made("e_family_intro", off, lambda: _introduced(study)),
        made("f_connect_resource", _no_referrals(study), lambda: _connected(study)),
        made("g_notes", off, lambda: _weekly(logging_mentors(study, start, end))),
        made(
            "h_team_meeting",
            _no_meetings(study, off),
            lambda: _true(meeting_attendance(study, start, end)["n_meetings"] >= 1),
        ),
        made("three_contacts", off, lambda: _done(weeks.assign(done=weeks["n_contacts"] >= CONTACTS_A_WEEK))),
    )


def _true(flags: pd.Series) -> tuple[int, int]:
    return int(flags.sum()), len(flags)


def _done(rows: pd.DataFrame, flag: str = "done") -> tuple[int, int, int, int]:
    """(done, possible, students with one done, students), of rows that each are about one student."""
    done = rows[flag].astype(bool)
    return int(done.sum()), len(rows), int(rows.loc[done, "student_id"].nunique()), int(rows["student_id"].nunique())


def _weekly(mentors: pd.DataFrame) -> tuple[int, int]:
    return _true(mentors["n_weeks_logged"] >= mentors["n_weeks"])


def _introduced(study) -> tuple[int, ...]:
    due = family_introductions(study).query("state != 'not_due'")
    return _done(due.assign(done=due["state"] == "in_time"))


def _connected(study) -> tuple[int, ...]:
    made = referral_funnel(study)
    return _done(made.assign(done=made["state"] == "connected"))


def _no_referrals(study) -> str:
    return "" if "referral" in study.can else "No referrals are recorded; the table referral would switch this on."


def _no_meetings(study, off: str) -> str:
    logged = "contact" in study.can and study.table("contact")["activity"].eq("h_team_meeting").any()
    if off or logged or "team_meeting" in study.can:
        return off
    return "No mentor meetings are recorded; the table team_meeting would switch this on."


def _monday(dates: pd.Series) -> pd.Series:
    return dates - pd.to_timedelta(dates.dt.dayofweek, unit="D")


def _with_school(study, pairs: pd.DataFrame) -> pd.DataFrame:
    """Add the school a student was in when the pairing began (the mentor's school when no enrollment says)."""
    spans = study.table("enrollment")[["student_id", "school_id", "entry_date", "exit_date"]].dropna(
        subset=["entry_date"]
    )
    both = pairs[["student_id", "mentor_id", "begin_date"]].merge(spans, on="student_id")
    both = both[(both["exit_date"].isna() | (both["exit_date"] >= both["begin_date"]))]
    both = both.sort_values("entry_date").drop_duplicates(["student_id", "mentor_id", "begin_date"])
    pairs = pairs.merge(
        both[["student_id", "mentor_id", "begin_date", "school_id"]],
        on=["student_id", "mentor_id", "begin_date"],
        how="left",
    )
    mentors = study.table("mentor").set_index("mentor_id")["school_id"]
    pairs["school_id"] = pairs["school_id"].fillna(pairs["mentor_id"].map(mentors))
    return pairs


__all__ = [
    "Element",
    "active_assignments",
    "answered_absences",
    "conflicts",
    "escalations",
    "family_introductions",
    "fidelity",
    "greetings",
    "logging_mentors",
    "matched_weeks",
    "meeting_attendance",
    "referral_funnel",
    "wilson",
]
