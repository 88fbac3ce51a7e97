"""The review's lists and mentor numbers, recounted in plain Python from the sample's csv files and the written rules.

Written from requirements R8-R17, R21, R30, R34, R47, R80, R85, R86 and standards 2.4, 2.6, 7.1, 7.3; nothing of evalkit
is used. Days come from `recount`. Every function takes the day the review looks from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from datetime import date, timedelta
from fractions import Fraction
from functools import cache

import recount

BANDS = ("satisfactory", "at_risk", "moderate", "severe", "extreme")
WITH_STUDENT = {"a_greet", "b_call_absent", "c_track_celebrate", "d_meeting", "e_family_intro", "f_connect_resource"}
CAPS = {"school_staff": 2, "peer": 1, "partner_staff": 20}
"""Seed 001 and R34; asked only where mentor.capacity is blank."""
CLOSED_AS_PLANNED = {"goal_met", "year_end", "school_ended"}


@cache
def last_review(as_of: date) -> date | None:
    """The last school day before the month of as_of."""
    earlier = [d for days in recount.calendar().values() for d in days if d < as_of.replace(day=1)]
    return max(earlier, default=None)


def since_last_review(day: date | None, as_of: date) -> bool:
    """After the last review's day, whether a school day or not, up to as_of."""
    before = last_review(as_of)
    return day is not None and day <= as_of and (before is None or day > before)


@cache
def on_roll(as_of: date) -> dict[str, list[Fraction]]:
    """Students enrolled on the last school day of their school, with what they missed of its last ten."""
    found = {student: recount.last_days(student, as_of, 10) for student in recount.students()}
    return {student: shares for student, shares in found.items() if shares}


def celebrate(as_of: date) -> set[str]:
    """Standards 7.3 on the last 20 school days and the 20 before: 3 points less, or a better band; 20 days in both."""
    found = set()
    for student in recount.students():
        now, before = recount.last_days(student, as_of, 20), recount.last_days(student, as_of, 20, back=20)
        if now is None or before is None or len(now) < 20 or len(before) < 20:
            continue
        fell = sum(before) / len(before) - sum(now) / len(now) >= Fraction(3, 100)
        bands = [BANDS.index(recount.band_of(sum(shares), len(shares))) for shares in (now, before)]
        found |= {student} if fell or bands[0] < bands[1] else set()
    return found


def run_now(student: str, as_of: date) -> int:
    """Whole days missed in a row up to the student's last day."""
    run = 0
    for _, _, share in reversed(recount.year_of(student, as_of)):
        if share < 1:
            break
        run += 1
    return run


def watch(as_of: date) -> set[str]:
    """Pulse of 3 or more in ten school days, or three or more in a row now (2.4, R85)."""
    return {student for student, shares in on_roll(as_of).items() if sum(shares) >= 3 or run_now(student, as_of) >= 3}


def reach_out_first(as_of: date) -> set[str]:
    """Half of the year or more missed, or no attendance in the last ten days (R30); half from ten enrolled days on."""
    found = set()
    for student, shares in on_roll(as_of).items():
        year = [share for _, _, share in recount.year_of(student, as_of)]
        half = len(year) >= 10 and 2 * sum(year) >= len(year)
        away = len(shares) >= 10 and sum(shares) == len(shares)
        found |= {student} if half or away else set()
    return found


@cache
def day_numbers(school: str) -> dict[date, int]:
    return {day: number for number, day in enumerate(recount.calendar()[school], 1)}


@cache
def signs(student: str) -> dict[str, date]:
    """Each early-warning sign of the year and the day it showed (R21, 2.4): W2, M1, M2 on the day the count is reached,
    2m on the last day of the first school month m by whose end 2m days were missed. A sign rests on the days before it,
    so what showed by a date are the signs up to it."""
    found: dict[str, date] = {}
    as_of = recount.month_ends()[-1]
    year = recount.year_of(student, as_of)
    for flag, last, needed in (("W2", 10, 2), ("M1", 20, 2), ("M2", 40, 4)):
        total = Fraction(0)
        for day, school, share in year:
            total += share if day_numbers(school)[day] <= last else 0
            if total >= needed:
                found[flag] = day
                break
    missed = [day for day, _, _ in year], [share for _, _, share in year]
    for day, school in recount.enrolled_days_raw(student):
        number = day_numbers(school)[day]
        if day > recount.through(as_of)[school] or number % 20:
            continue
        if sum(missed[1][: bisect_right(missed[0], day)]) >= 2 * (number // 20):
            found["2m"] = day
            break
    return found


def newly_flagged(as_of: date) -> set[str]:
    """Students whose first sign of the year showed since the last review (R80)."""
    first = {student: min(signs(student).values(), default=None) for student in recount.students()}
    return {student for student, day in first.items() if since_last_review(day, as_of)}


@cache
def crossing(student: str) -> date | None:
    """The first day, from the 20th enrolled day on, on which 10 % of the days so far were missed (R86)."""
    absent = Fraction(0)
    for place, (day, _, share) in enumerate(recount.year_of(student, recount.month_ends()[-1]), 1):
        absent += share
        if place >= 20 and 10 * absent >= place:
            return day
    return None


def crossed_10(as_of: date) -> set[str]:
    """Students who first reached 10 % since the last review."""
    return {student for student in recount.students() if since_last_review(crossing(student), as_of)}


@cache
def met_families() -> dict[tuple[str, str], list[date]]:
    found: dict[tuple[str, str], list[date]] = defaultdict(list)
    for row in recount.rows("contact"):
        if row["activity"] == "e_family_intro" and row["status"] in ("", "held"):
            found[row["student_id"], row["mentor_id"]].append(recount.day(row["date"]))
    return found


def introductions(as_of: date) -> list[tuple[dict, date | None, date | None]]:
    """Every pairing begun by as_of, the tenth school day after it began, and the day the family was met (R12)."""
    found = []
    for row in recount.rows("assignment"):
        begin, end = recount.day(row["begin_date"]), recount.day(row["end_date"])
        if begin > as_of:
            continue
        school = recount.school_on(row["student_id"], begin) or recount.spans()[row["student_id"]][0]["school"]
        days = [day for day in recount.calendar()[school] if day >= begin]
        met = [day for day in met_families().get((row["student_id"], row["mentor_id"]), ())
               if day <= as_of and (end is None or end > as_of or day <= end)]
        found.append((row, days[10] if len(days) > 10 else None, min(met, default=None)))
    return found


def is_active(row: dict, as_of: date) -> bool:
    begin, end = recount.day(row["begin_date"]), recount.day(row["end_date"])
    return begin <= as_of and (end is None or end >= as_of)


def no_family_contact(as_of: date) -> set[str]:
    """Students with a pairing in force whose family was not met when ten school days had passed (R12)."""
    return {row["student_id"] for row, due, met in introductions(as_of)
            if is_active(row, as_of) and met is None and due and due < as_of and row["student_id"] in on_roll(as_of)}


def escalations(as_of: date) -> set[str]:
    """Students for whom a mentor asked the team since the last review (R15)."""
    return {row["student_id"] for row in recount.rows("contact")
            if row["needs_team"] == "true" and row["student_id"] and row["status"] != "cancelled"
            and since_last_review(recount.day(row["date"]), as_of)}


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


@cache
def pairings() -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = defaultdict(list)
    for row in recount.rows("assignment"):
        found[row["student_id"]].append(row)
    return found


def mentor_on(student: str, day: date) -> str | None:
    """The mentor of a student on a day; of two, the one paired later."""
    here = [row for row in pairings().get(student, ()) if is_active(row, day)]
    return max(here, key=lambda row: row["begin_date"])["mentor_id"] if here else None


@cache
def matched_days(as_of: date) -> list[tuple[str, date, str, Fraction, str]]:
    """School days on which a student was on the roll and had a mentor."""
    last, found = recount.through(as_of), []
    for student in pairings():
        for day, school in recount.enrolled_days_raw(student):
            if day <= last[school] and (mentor := mentor_on(student, day)):
                found.append((student, day, school, recount.missed().get((student, day), Fraction(0)), mentor))
    return found


@cache
def last_of_week(school: str) -> dict[date, date]:
    return {monday(day): day for day in recount.calendar()[school]}


@cache
def matched_weeks(as_of: date) -> dict[tuple[str, date], date]:
    """Weeks with three matched school days or more whose last school day has passed."""
    days: dict[tuple[str, date], list[str]] = defaultdict(list)
    for student, day, school, _, _ in matched_days(as_of):
        days[student, monday(day)].append(school)
    found = {}
    for (student, week), schools in days.items():
        school, n = Counter(schools).most_common(1)[0]
        if n >= 3 and last_of_week(school)[week] <= as_of:
            found[student, week] = last_of_week(school)[week]
    return found


@cache
def held(as_of: date, *, attempts: bool = False) -> list[dict]:
    """Contacts that were held (or, with attempts, not cancelled) by as_of."""
    return [row for row in recount.rows("contact") if recount.day(row["date"]) <= as_of
            and (row["status"] in ("", "held") or (attempts and row["status"] != "cancelled"))]


@cache
def contacts_by_week(as_of: date) -> dict[tuple[str, date], Counter]:
    found: dict[tuple[str, date], Counter] = defaultdict(Counter)
    for row in held(as_of):
        if row["activity"] in WITH_STUDENT:
            found[row["student_id"], monday(recount.day(row["date"]))][row["activity"]] += 1
    return found


def decide(as_of: date) -> set[str]:
    """Matched eight weeks or more, an adequate dose (3 contacts a week on average since then), and no gain (R47):
    10 % or more missed since the match, and no smaller share than before it. Under 15 days before, last year's stand
    in."""
    prior = {row["student_id"]: (Fraction(row["days_absent"]), Fraction(row["days_enrolled"]))
             for row in recount.rows("prior_year") if row["school_year"] == "2025"}
    found = set()
    for student, rows in pairings().items():
        now = [row for row in rows if is_active(row, as_of)]
        begin = min((recount.day(row["begin_date"]) for row in now), default=as_of)
        if student not in on_roll(as_of) or begin > as_of - timedelta(weeks=8):
            continue
        weeks = [week for who, week in matched_weeks(as_of) if who == student and week + timedelta(days=6) >= begin]
        dose = [sum(contacts_by_week(as_of).get((student, week), Counter()).values()) for week in weeks]
        year = recount.year_of(student, as_of)
        since = [share for day, _, share in year if day >= begin]
        before = [share for day, _, share in year if day < begin]
        missed, of = sum(before), Fraction(len(before))
        if of < 15:
            missed, of = prior.get(student, (Fraction(0), Fraction(0)))
        steady = dose and sum(dose) >= 3 * len(dose)
        stuck = since and 10 * sum(since) >= len(since) and (not of or sum(since) * of >= missed * len(since))
        found |= {student} if steady and stuck else set()
    return found


LISTS = {"celebrate": celebrate, "watch": watch, "decide": decide, "reach_out_first": reach_out_first,
         "no_family_contact": no_family_contact, "escalations": escalations, "newly_flagged": newly_flagged,
         "crossed_10": crossed_10}


def greeted(as_of: date) -> tuple[int, int]:
    """R8: school days in the month, in school for any part of it, on which the mentor greeted."""
    start = as_of.replace(day=1)
    done = {(row["student_id"], recount.day(row["date"])) for row in held(as_of) if row["activity"] == "a_greet"}
    days = [(who, day) for who, day, _, share, _ in matched_days(as_of) if day >= start and share < 1]
    return sum(key in done for key in days), len(days)


def answered(as_of: date) -> tuple[int, int]:
    """R9: absences followed by a call home (an attempt counts) by the end of the next school day; by the day due."""
    start, calls = as_of.replace(day=1), defaultdict(list)
    for row in held(as_of, attempts=True):
        if row["activity"] == "b_call_absent":
            calls[row["student_id"]].append(recount.day(row["date"]))
    n = of = 0
    for who, day, school, share, _ in matched_days(as_of):
        days = recount.calendar()[school]
        place = bisect_right(days, day)
        if share and place < len(days) and start <= days[place] <= as_of:
            of += 1
            n += any(day <= call <= days[place] for call in calls[who])
    return n, of


def weeks_with(as_of: date, activity: str, least: int) -> tuple[int, int]:
    """Student weeks that ended in the month with at least so many contacts (of one activity, or of any)."""
    weeks = [key for key, last in matched_weeks(as_of).items() if last >= as_of.replace(day=1)]
    counts = [contacts_by_week(as_of).get(key, Counter()) for key in weeks]
    return sum((c[activity] if activity else sum(c.values())) >= least for c in counts), len(weeks)


def introduced(as_of: date) -> tuple[int, int]:
    """R12: of the pairings whose ten school days are over or whose family was met, those met in time."""
    rows = [(due, met) for _, due, met in introductions(as_of) if met or (due and due < as_of)]
    return sum(met is not None and (due is None or met <= due) for due, met in rows), len(rows)


def connected(as_of: date) -> tuple[int, int]:
    """R2: referrals made this year, and those connected by then."""
    rows = [row for row in recount.rows("referral") if recount.day(row["made_date"]) <= as_of]
    known = [row for row in rows if not row["outcome_date"] or recount.day(row["outcome_date"]) <= as_of]
    return sum(row["outcome"] == "connected" for row in known), len(rows)


def wrote_notes(as_of: date) -> tuple[int, int]:
    """R14, R17: mentors with a student who wrote in the log in every week of the month they had one."""
    start, had, wrote = as_of.replace(day=1), defaultdict(set), defaultdict(set)
    for _, day, _, _, mentor in matched_days(as_of):
        if day >= start:
            had[mentor].add(monday(day))
    for row in held(as_of, attempts=True):
        if recount.day(row["date"]) >= start:
            wrote[row["mentor_id"]].add(monday(recount.day(row["date"])))
    return sum(weeks <= wrote[mentor] for mentor, weeks in had.items()), len(had)


def came_to_meetings(as_of: date) -> tuple[int, int]:
    """R15: mentors with a student in the month who came to a mentor meeting in it."""
    start = as_of.replace(day=1)
    mentors = {mentor for _, day, _, _, mentor in matched_days(as_of) if day >= start}
    came = {row["mentor_id"] for row in held(as_of)
            if row["activity"] == "h_team_meeting" and recount.day(row["date"]) >= start}
    for row in recount.rows("team_meeting"):
        if row["kind"] in ("", "mentor_meeting") and start <= recount.day(row["date"]) <= as_of:
            came |= {name.strip() for name in row["mentor_ids"].split(";")}
    return len(mentors & came), len(mentors)


def elements(as_of: date) -> dict[str, tuple[int, int]]:
    """The seven elements of the mentor's work and three contacts a week: done, of."""
    return {"a_greet": greeted(as_of), "b_call_absent": answered(as_of), "d_meeting": weeks_with(as_of, "d_meeting", 1),
            "e_family_intro": introduced(as_of), "f_connect_resource": connected(as_of), "g_notes": wrote_notes(as_of),
            "h_team_meeting": came_to_meetings(as_of), "three_contacts": weeks_with(as_of, "", 3)}


def caseload(as_of: date) -> dict[str, dict[str, int]]:
    """R6, R34: students, places and open places by mentor type; how many mentors are over their cap."""
    active: dict[str, set[str]] = defaultdict(set)
    for row in recount.rows("assignment"):
        if is_active(row, as_of):
            active[row["mentor_id"]].add(row["student_id"])
    found: dict[str, Counter] = defaultdict(Counter)
    for row in recount.rows("mentor"):
        n, cap = len(active[row["mentor_id"]]), int(row["capacity"] or CAPS[row["mentor_type"]])
        gone = row["end_date"] and recount.day(row["end_date"]) < as_of
        found[row["mentor_type"]].update(n_students=n, cap=cap, n_open=0 if gone else max(0, cap - n),
                                         is_over_cap=int(n > cap))
    return {kind: dict(counts) for kind, counts in found.items()}


def n_mentors_without_logs(as_of: date) -> int:
    """R17: mentors with a student today and no row in the month's log."""
    wrote = {row["mentor_id"] for row in held(as_of, attempts=True) if recount.day(row["date"]) >= as_of.replace(day=1)}
    return len({row["mentor_id"] for row in recount.rows("assignment") if is_active(row, as_of)} - wrote)


def closures(as_of: date) -> Counter:
    """R7: pairings ended by as_of, by reason; early unless the goal was met, the school or the year ended."""
    last = max(day for days in recount.calendar().values() for day in days)
    ended = [row for row in recount.rows("assignment") if row["end_date"] and recount.day(row["end_date"]) <= as_of]
    early = [row["end_reason"] not in CLOSED_AS_PLANNED and recount.day(row["end_date"]) < last for row in ended]
    return Counter(zip((row["end_reason"] or "not given" for row in ended), early, strict=True))


def funnel(as_of: date) -> dict[str, int]:
    """R61: mentors who applied, were screened, trained, matched, are active, and have closed."""
    mentors = recount.rows("mentor")
    counts = {stage: sum(bool(row[f"{stage}_date"]) and recount.day(row[f"{stage}_date"]) <= as_of for row in mentors)
              for stage in ("applied", "screened", "trained")}
    begun = [row for row in recount.rows("assignment") if recount.day(row["begin_date"]) <= as_of]
    gone = [row for row in mentors if row["end_date"] and recount.day(row["end_date"]) < as_of]
    return counts | {"matched": len({row["mentor_id"] for row in begun}),
                     "active": len({row["mentor_id"] for row in begun if is_active(row, as_of)}), "closed": len(gone)}
