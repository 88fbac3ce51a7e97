"""The study's memory: what a team decided, changed and heard, in small csv files that Excel can edit."""

from evalkit.notes.commands import VERBS, run_verb
from evalkit.notes.rows import (
    TABLES,
    accept_actions,
    add_note,
    close_action,
    open_actions,
    read_notes,
    take_proposals,
    what_changed,
)

__all__ = ["TABLES", "VERBS", "accept_actions", "add_note", "close_action", "open_actions", "read_notes", "run_verb",
           "take_proposals", "what_changed"]
