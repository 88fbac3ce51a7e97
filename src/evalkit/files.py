"""The one way to write: whole or not at all, private where it must be, safe names on every system."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import UserError

PRIVATE, SHARED = 0o600, 0o644
_STALE_SECONDS = 6 * 3600
_RESERVED = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))}


def write_bytes(path: Path, data: bytes, *, private: bool = False) -> Path:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".evalkit-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(PRIVATE if private else SHARED)
        _replace(Path(name), path)
    except OSError as problem:
        Path(name).unlink(missing_ok=True)
        raise UserError(f"Could not write {path.name}: {problem.strerror}.",
                        remedy="Free some disk space or choose another --out folder; the earlier file is unchanged."
                        ) from None
    return path


def _replace(source: Path, target: Path) -> None:
    """Rename over `target`; on Windows a reader (Excel) may hold it for a moment, so try for two seconds."""
    for wait in (0, 0.1, 0.3, 0.6, 1.0):
        time.sleep(wait)
        try:
            source.replace(target)
            return
        except PermissionError:
            continue
    source.replace(target)


def append_bytes(path: Path, data: bytes, *, private: bool = False) -> Path:
    """Add `data` at the end of `path` in one piece; what stands there is never rewritten, and a part is taken back."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new, before = not path.exists(), path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            if is_new:
                path.chmod(PRIVATE if private else SHARED)
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, before)
                raise
    except OSError as problem:
        raise UserError(f"Could not write {path.name}: {problem.strerror}.",
                        remedy="Close the file in other programs (Excel), free some disk space, and try again; nothing "
                        "was changed.") from None
    return path


def write_text(path: Path, text: str, *, private: bool = False) -> Path:
    """Write `text` as UTF-8 with newline `\\n` on every system."""
    return write_bytes(path, text.encode("utf-8"), private=private)


def write_json(path: Path, value: Any, *, private: bool = False) -> Path:
    """Write `value` as indented JSON with sorted keys; NaN is refused (use None)."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n", private=private)


def sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def safe_name(text: str, *, most: int = 60) -> str:
    """A file name that is safe on every system; a changed name gets 8 hex digits so that two never collide."""
    plain = unicodedata.normalize("NFKD", str(text)).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.")[:most]
    if slug == text and slug and slug.lower() not in _RESERVED and slug == slug.lower():
        return slug
    return f"{slug.lower() or 'x'}-{hashlib.sha256(str(text).encode()).hexdigest()[:8]}"


def repository_root() -> Path | None:
    """The evalkit checkout around the working directory, else the one this package runs from; None in a wheel alone."""
    return _checkout_around(Path.cwd() / "x") or _checkout_around(Path(__file__).resolve())


def _checkout_around(path: Path) -> Path | None:
    return next((place for place in path.parents
                 if (place / "pyproject.toml").is_file() and (place / "notebooks").is_dir()), None)


def locate(path: str | Path) -> Path:
    """`path` as the reader meant it: from the working directory, else from the root of the checkout we stand in."""
    path = Path(path).expanduser()
    if path.is_absolute() or path.exists():
        return path
    root = _checkout_around(Path.cwd() / "x")
    return root / path if root is not None and (root / path).exists() else path


def must_lie_outside(place: Path, study: Path) -> None:
    """Refuse an output place inside a study: its inputs are never written to."""
    if Path(place).resolve().is_relative_to(Path(study).resolve()):
        raise UserError("The output would lie inside the study's own folder.", file=Path(study).name,
                        remedy="Choose another --out folder; nothing was changed.")


@contextlib.contextmanager
def whole_folder(target: Path, *, staging: Path | None = None) -> Iterator[Path]:
    """Fill a hidden sibling of `target`; it takes target's place only when the block ends without an error."""
    target = Path(target).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    work = staging or Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-", suffix=".part"))
    try:
        yield work
        _swap(work, target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _swap(work: Path, target: Path) -> None:
    """Put `work` where `target` is; an older folder is moved away first and removed after."""
    old = target.with_name(f".{target.name}-{os.getpid()}.old")
    if target.exists():
        _replace(target, old)
    work.chmod(0o755)
    _replace(work, target)
    if old.is_symlink() or old.is_file():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what an interrupted run left in `folder` (hidden .part, .old and .tmp older than six hours)."""
    for path in Path(folder).glob(".*"):
        if path.suffix not in (".part", ".old", ".tmp"):
            continue
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def holds_exactly(folder: Path, texts: Mapping[str, str]) -> bool:
    """Whether a folder holds these files and nothing else."""
    there = {path.name: path for path in Path(folder).iterdir()} if Path(folder).is_dir() else {}
    return there.keys() == texts.keys() and all(
        path.is_file() and path.read_bytes() == texts[name].encode("utf-8") for name, path in there.items())


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder of this user's own that is gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="evalkit-") as place:
        yield Path(place)


def hidden_folder(parent: Path, prefix: str) -> Path:
    """A new hidden folder (mode 0700) beside what will become of it."""
    return Path(tempfile.mkdtemp(dir=parent, prefix=prefix, suffix=".part"))


def remove_leftovers(folder: Path, prefix: str) -> None:
    """Remove hidden .part and .old entries that begin with `prefix`, for a caller that holds the lock of that name."""
    for path in Path(folder).iterdir():
        if path.name.startswith(prefix) and path.suffix in (".part", ".old") and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


class Held(UserError):
    """Somebody else holds the lock: the message says who."""


@contextlib.contextmanager
def held(path: Path, *, what: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; where somebody else holds it, say who. Freed if we are killed.

    A file system without locks (some network drives) lets the block run: the rename at the end is still whole.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        lock = Path(path).open("a+b")  # noqa: SIM115 - closed by the with below
    except OSError as problem:
        raise UserError(f"The output folder could not be written: {problem.strerror}.",
                        remedy="Choose another --out folder.") from None
    with lock:
        if not _lock(lock) or not _is_same_file(lock, Path(path)):
            raise Held(f"{what} is being made by another run ({_holder(lock)}).",
                       remedy="Wait until it ends, or choose another --out folder.")
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, started {time.strftime('%H:%M')}".encode())
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)
            with contextlib.suppress(OSError):
                Path(path).unlink()


def _lock(file: Any) -> bool:
    """Try for the lock without waiting; True also where the file system has none."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        file.seek(1 << 20)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_same_file(file: Any, path: Path) -> bool:
    """False when another run removed the lock file between our opening and our locking it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _holder(file: Any) -> str:
    file.seek(0)
    return file.read(80).decode("utf-8", "replace").strip() or "just started"
