"""Many files at once: reports in any number, in order, resumable, one broken file never stops the rest."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detection.detector import Detector
from detection.errors import MissingExtra, NothingToExamine
from detection.report import Reason, Report

COLUMNS = (
    *("file", "status", "verdict", "probability", "low", "high", "faces", "seconds_examined", "seconds_total"),
    *("generated_spans", "reasons", "watermark", "manifest", "detector", "seconds", "size", "fingerprint"),
)
SKIPPED_NAMES = (".", "~", "Thumbs.db", "desktop.ini")
EXAMINER = Callable[[Path], Report]


@dataclass(frozen=True)
class Outcome:
    """What is known of one file. row: as in the CSV.  report: None when it was examined in an earlier run."""

    path: Path
    row: dict[str, str]
    report: Report | None = None


def files_in(paths: Iterable[str | Path]) -> list[Path]:
    """The files that paths name, folders searched through, in order of name; hidden files are left out.

    A path that does not exist stays in the list: it gets a report that says so. Raises NothingToExamine.
    """
    found: list[Path] = []
    for given in map(Path, paths):
        if given.is_dir():
            inside = (p for p in sorted(given.rglob("*")) if p.is_file() and not p.is_symlink())
            found += [p for p in inside if not p.name.startswith(SKIPPED_NAMES)]
        else:
            found.append(given)
    unique = list(dict.fromkeys(found))
    if not unique:
        raise NothingToExamine("There is no file to examine. Give videos, or a folder that holds some.")
    return unique


def row_of(path: Path, report: Report) -> dict[str, str]:
    """One line of the CSV, in words and numbers."""
    facts: dict[str, Any] = report.to_dict()
    provenance = facts["provenance"] or {}
    mark = provenance.get("watermark", {})
    interval = facts["interval"] or ("", "")
    return {
        "file": _plain(str(path)),
        "status": facts["status"],
        "verdict": facts["verdict"],
        "probability": "" if facts["probability"] is None else f"{facts['probability']:.4f}",
        "low": str(interval[0]),
        "high": str(interval[1]),
        "faces": str(len(report.faces)),
        "seconds_examined": str(report.read.get("seconds", "")),
        "seconds_total": str(report.read.get("of", "")),
        "generated_spans": " ".join(f"{s.start:.1f}-{s.end:.1f}" for s in report.segments),
        "reasons": " ".join(r.code for r in report.reasons),
        "watermark": str(mark.get("id") or ("trace" if mark.get("trace") else "")),
        "manifest": str(provenance.get("manifest", {}).get("state", "")),
        "detector": report.version,
        "seconds": f"{report.seconds:.2f}",
        **_stamp(path),
    }


class Table:
    """A CSV that grows line by line, and from which an interrupted run goes on.

    A file is examined again when its size or content changed, or another version of the detector examined it.
    """

    def __init__(self, path: Path, version: str) -> None:
        self.path = path
        self.known: dict[str, dict[str, str]] = {}
        if path.exists() and path.stat().st_size:
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    if row.get("detector") == version and row.get("fingerprint") is not None:
                        self.known[str(row["file"])] = {name: row.get(name) or "" for name in COLUMNS}
        self._write_all()

    def earlier(self, path: Path) -> dict[str, str] | None:
        """The line of a file that has not changed since, None when it has to be examined."""
        row = self.known.get(_plain(str(path)))
        stamp = _stamp(path)
        return row if row is not None and stamp["fingerprint"] and row["fingerprint"] == stamp["fingerprint"] else None

    def add(self, row: dict[str, str]) -> None:
        """Append a line; it is on the disk when this returns."""
        self.known[row["file"]] = row
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, COLUMNS).writerow(row)
            file.flush()
            os.fsync(file.fileno())

    def finish(self, order: Iterable[Path]) -> None:
        """Put the lines in the order of the files, each once."""
        names = [_plain(str(path)) for path in order]
        rest = [name for name in self.known if name not in set(names)]
        self.known = {name: self.known[name] for name in [*names, *rest] if name in self.known}
        self._write_all()

    def _write_all(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(self.known.values())
        part = self.path.with_name(f".{self.path.name}.part")
        part.write_text(text.getvalue(), encoding="utf-8", newline="")
        part.replace(self.path)


def examine_all(
    files: list[Path], examine: EXAMINER, table: Table | None = None, workers: Workers | None = None
) -> Iterator[Outcome]:
    """Reports on files, as they are done. A fault of the program in one file is reported there and nowhere else.

    workers: spreads the files over other processes; `examine` then only serves what is named there.
    """
    todo = []
    for path in files:
        row = table.earlier(path) if table is not None else None
        if row is not None:
            yield Outcome(path, row)
        else:
            todo.append(path)
    results = workers.run(todo) if workers is not None else ((path, guarded(examine, path)) for path in todo)
    for path, report in results:
        row = row_of(path, report)
        if table is not None:
            table.add(row)
        yield Outcome(path, row, report)
    if table is not None:
        table.finish(files)


def guarded(examine: EXAMINER, path: Path) -> Report:
    """The report, or one that says that the program failed on this file."""
    try:
        return examine(path)
    except Exception as error:
        text = f"'{path.name}' could not be examined ({type(error).__name__}). Please report it."
        reason = Reason("unreadable", {"text": text})
        return Report(path.name, "unreadable", "cannot_tell", None, None, None, (reason,), error=text)


class Workers:
    """Examination on the workers of a Ray cluster: a local one, or the one that RAY_ADDRESS names.

    make: builds, on a worker, what examines a path there; it has to be importable. The files must be readable under the
    same paths on every worker. A context manager. Raises MissingExtra when Ray is not installed.
    """

    def __init__(self, make: Callable[[], EXAMINER], count: int = 2) -> None:
        ray, self._mine = join_ray(count)
        self._ray = ray
        remote = ray.remote(max_restarts=-1, max_task_retries=1)(_Worker)
        self._actors = [remote.options(num_cpus=1).remote(make) for _ in range(count)]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._mine:
            self._ray.shutdown()

    def run(self, files: list[Path]) -> Iterator[tuple[Path, Report]]:
        """(path, report) as they come back. A file whose worker dies twice gets a report that says so."""
        waiting = iter(files)
        running: dict[Any, tuple[Path, Any]] = {}

        def hand_out(actor: Any) -> None:
            path = next(waiting, None)
            if path is not None:
                running[actor.examine.remote(str(path))] = (path, actor)

        for actor in self._actors:
            hand_out(actor)
        while running:
            (ready,), _ = self._ray.wait(list(running), num_returns=1)
            path, actor = running.pop(ready)

            def collect(_: Path, ready: Any = ready) -> Report:
                report: Report = self._ray.get(ready)
                return report

            report = guarded(collect, path)
            hand_out(actor)
            yield path, report


def join_ray(count: int) -> tuple[Any, bool]:
    """The module `ray`, connected to the cluster of RAY_ADDRESS, else to a local one of `count` workers.

    Also whether it was connected here, so that the caller shuts it down. Raises MissingExtra.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtra("Ray is not installed. Type `pip install ray`, or leave --ray out.") from None
    mine = not ray.is_initialized()
    if mine:
        local: dict[str, Any] = {"num_cpus": count, "include_dashboard": False}
        local = {} if os.environ.get("RAY_ADDRESS") else local
        ray.init(log_to_driver=False, configure_logging=False, **local)
    return ray, mine


class _Worker:
    """Lives on a worker and keeps its models between files."""

    def __init__(self, make: Callable[[], EXAMINER]) -> None:
        self._examine = make()

    def examine(self, path: str) -> Report:
        return guarded(self._examine, Path(path))


def make_plain() -> EXAMINER:
    """An examiner without provenance, with the shipped weights."""
    return Detector.from_pretrained().examine


def _stamp(path: Path) -> dict[str, str]:
    """Size and a fingerprint of the content's beginning, middle and end."""
    try:
        size = path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as file:
            for at in (0, max(0, size // 2 - 32768), max(0, size - 65536)):
                file.seek(at)
                digest.update(file.read(65536))
        return {"size": str(size), "fingerprint": digest.hexdigest()[:16]}
    except OSError:
        return {"size": "", "fingerprint": ""}


def _plain(text: str) -> str:
    """Without control characters, and not taken for a formula by a spreadsheet."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return f"'{text}" if text[:1] in "=+-@" else text


def as_object(outcomes: list[Outcome], detector: dict[str, Any]) -> dict[str, Any]:
    """What `detect --json` prints: with one file its report, and always all of them under `files`."""
    files = [o.report.to_dict() | {"file": str(o.path)} if o.report is not None else dict(o.row) for o in outcomes]
    return {**(files[0] if len(files) == 1 else {}), "files": files, "detector": detector}


__all__ = ["Outcome", "Table", "Workers", "as_object", "examine_all", "files_in", "make_plain", "row_of"]
