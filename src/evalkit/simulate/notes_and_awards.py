"""Notes on contacts, and students recognized."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.simulate.people import Roster


def recognition_table(
    rng: np.random.Generator,
    roster: Roster,
    improved: np.ndarray,
    good: np.ndarray,
    first: np.ndarray,
    date: pd.Timestamp,
) -> pd.DataFrame:
    """The `recognition` table: a share of improved and good students, with consent for a name or without."""
    rows = np.concatenate(
        [
            rng.choice(improved, min(improved.size, 45), replace=False),
            rng.choice(good, min(good.size, 60), replace=False),
        ]
    )
    award = np.repeat(["improved", "good"], [min(improved.size, 45), min(good.size, 60)])
    consent = rng.choice(["yes", "no", "not_asked"], rows.size, p=[0.6, 0.1, 0.3])
    return pd.DataFrame(
        {
            "student_id": roster.student_id[rows],
            "award": award,
            "date": date,
            "basis_value": rng.uniform(0.03, 0.12, rows.size).round(3),
            "display_name": np.where(consent == "yes", first[rows], ""),
            "name_consent": consent,
        }
    )


NOTES = (
    "Missed the bus again, no ride from home.",
    "Mom says the inhaler ran out, asthma at night.",
    "Perdió el camión esta mañana.",
    "Stayed home to watch his sister.",
    "Good talk. Wants to join the music studio.",
    "Se enfermó, fiebre desde ayer.",
    "Not sick, just tired.",
    "Family is moving to the other side of town.",
    "Bored in fourth period, likes art.",
    "Cuidó a su hermano mientras la mamá trabaja.",
    "Kids tease her at lunch, does not want to go.",
    "Goal reached this week!",
)


def add_notes(rng: np.random.Generator, contacts: pd.DataFrame) -> pd.DataFrame:
    """A short made-up note on some of the longer contacts."""
    noted = contacts["status"].eq("held") & contacts["activity"].isin(["d_meeting", "g_notes", "e_family_intro"])
    noted &= rng.random(len(contacts)) < 0.25
    return contacts.assign(note_text=np.where(noted, rng.choice(NOTES, len(contacts)), ""))
