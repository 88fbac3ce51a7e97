"""Records of an XML file, read as a stream: no document type, no entities, nothing fetched, bounded depth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.parsers import expat

from evalkit.errors import UserError
from evalkit.sources.text import must_be_regular

Record = dict[str, list[str]]
MOST_DEPTH, MOST_TEXT = 40, 100_000


class _Refused(Exception):
    """Raised inside the parser's callbacks; worded by `read_records`."""


def read_records(path: Path, name: str, take: Callable[[str, Record], None]) -> None:
    """Call `take(kind, record)` for each child of the root: tag -> texts of its leaves, in document order."""
    must_be_regular(path, name)
    parser = expat.ParserCreate(namespace_separator=" ")
    _Reader(take).listen(parser)
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except _Refused as problem:
        raise UserError(
            f"The XML file {problem}.",
            file=name,
            row=parser.CurrentLineNumber,
            remedy="Export plain Ed-Fi XML, without a document type.",
        ) from None
    except expat.ExpatError as problem:
        raise UserError(
            "The XML file is broken.",
            file=name,
            row=problem.lineno,
            remedy="Export it again: it seems to be cut off or edited.",
        ) from None


class _Reader:
    """Keeps the texts of the record under way."""

    def __init__(self, take: Callable[[str, Record], None]) -> None:
        self.take, self.depth, self.kind = take, 0, ""
        self.record: Record = {}
        self.text: list[str] = []
        self.is_leaf = False

    def listen(self, parser: expat.XMLParserType) -> None:
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self.start, self.end
        parser.CharacterDataHandler = self.text.append
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = self.refuse

    def refuse(self, *_: object) -> None:
        raise _Refused("declares a document type or entities, which is not read")

    def start(self, tag: str, _: object) -> None:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise _Refused("is nested too deeply")
        if self.depth == 2:
            self.kind, self.record = tag.rsplit(" ", 1)[-1], {}
        self.text.clear()
        self.is_leaf = True

    def end(self, tag: str) -> None:
        if self.is_leaf and self.depth > 2:
            value = "".join(self.text).strip()
            if len(value) > MOST_TEXT:
                raise _Refused("holds a text of more than 100,000 letters")
            self.record.setdefault(tag.rsplit(" ", 1)[-1], []).append(value)
        if self.depth == 2:
            self.take(self.kind, self.record)
        self.depth -= 1
        self.is_leaf = False
        self.text.clear()
