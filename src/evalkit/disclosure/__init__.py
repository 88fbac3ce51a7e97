"""Disclosure control: the only door to a partner. What comes out is `Released`; their pages accept nothing else."""

from evalkit.disclosure.ladder import percent_ladder
from evalkit.disclosure.release import (
    TableRequest,
    plain_text,
    release_numbers,
    release_table,
    release_tables,
    release_text,
)
from evalkit.disclosure.types import HIDDEN, Released, ReleasedNumbers, ReleasedText

__all__ = ["HIDDEN", "Released", "ReleasedNumbers", "ReleasedText", "TableRequest", "percent_ladder", "plain_text",
           "release_numbers", "release_table", "release_tables", "release_text"]
