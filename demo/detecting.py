"""`demo detect`: suspect files in, one report each out, on the screen, as JSON, CSV and HTML."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from demo import texts
from demo.errors import UsageError

if TYPE_CHECKING:
    from detection.batch import EXAMINER, Outcome
    from detection.report import Report

RAY_WORKERS = 2


def add_parser(commands: Any) -> None:
    """The command's own options."""
    detect = commands.add_parser("detect", help="judge whether videos were generated; folders are searched through")
    detect.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="videos, or folders of them")
    detect.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    detect.add_argument("--csv", type=Path, metavar="OUT", help="one line a file; an interrupted run goes on from it")
    detect.add_argument("--html", type=Path, metavar="OUT", help="report to hand on; a folder for many files")
    detect.add_argument("--language", choices=("en", "fr"), default="en", help="of the HTML report (en)")
    detect.add_argument("--ray", action="store_true", help="spread the files over a Ray cluster (RAY_ADDRESS or local)")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    """Examine all files. Raises NothingToExamine, and UnreadableSuspect when not one could be read."""
    from detection.batch import Table, Workers, as_object, examine_all, files_in
    from detection.detector import Detector
    from detection.errors import UnreadableSuspect

    files = files_in(args.paths)
    html = _html_targets(args.html, files)
    _check_csv(args.csv, files)
    model = Detector.from_pretrained().model
    table = Table(args.csv, model.version) if args.csv is not None else None
    bar = _Bar(err, len(files))
    outcomes: list[Outcome] = []

    def gather(items: Iterable[Outcome]) -> None:
        for outcome in items:
            outcomes.append(outcome)
            if outcome.report is not None and outcome.path in html:
                _write(html[outcome.path], outcome.report, args.language)
            bar.step(outcome)
            if not args.json:
                print(_line(outcome), file=out, flush=True)

    bar.start()
    try:
        if args.ray:
            with Workers(examiner, RAY_WORKERS) as workers:
                gather(examine_all(files, _nobody, table, workers))
        else:
            gather(examine_all(files, examiner(), table))
    finally:
        bar.stop()
    place = {path: index for index, path in enumerate(files)}
    outcomes.sort(key=lambda o: place[o.path])
    if args.json:
        print(json.dumps(as_object(outcomes, {"version": model.version, "held_out": model.figures})), file=out)
    if all(o.row["status"] == "unreadable" for o in outcomes):
        first = next((o.report.error for o in outcomes if o.report is not None and o.report.error), "")
        rest = f" None of the {len(outcomes)} files could be read." if len(outcomes) > 1 else ""
        raise UnreadableSuspect((first or "The file could not be read in an earlier run. Copy it again.") + rest)


def examiner() -> EXAMINER:
    """What examines one file here: provenance first, then the detector, side by side in the report."""
    from demo.studio import Studio

    return Studio().examine


def _nobody(path: Path) -> Report:
    raise RuntimeError(f"{path} was to be examined by a worker")


def _html_targets(target: Path | None, files: list[Path]) -> dict[Path, Path]:
    """Where each report goes: the file itself for one video, NAME.html in a folder for many."""
    if target is None:
        return {}
    if len(files) == 1 and not target.is_dir():
        if not target.parent.is_dir():
            raise UsageError(f"The folder '{target.parent}' does not exist. Make it first.")
        return {files[0]: target}
    if target.exists() and not target.is_dir():
        raise UsageError(f"There are {len(files)} files; give --html the name of a folder instead of '{target}'.")
    target.mkdir(parents=True, exist_ok=True)
    names: dict[Path, Path] = {}
    for path in files:
        name, count = path.name, 1
        while target / f"{name}.html" in names.values():
            count += 1
            name = f"{path.name}-{count}"
        names[path] = target / f"{name}.html"
    return names


def _check_csv(target: Path | None, files: list[Path]) -> None:
    if target is None:
        return
    if target.is_dir() or not target.parent.is_dir():
        raise UsageError(f"'{target}' cannot be written. Give --csv the name of a file in a folder that exists.")
    if any(target.exists() and path.exists() and target.samefile(path) for path in files) and target.suffix != ".csv":
        raise UsageError(f"--csv would overwrite the input '{target}'. Choose another name.")


def _write(target: Path, report: Report, language: str) -> None:
    from detection.html import document

    part = target.with_name(f".{target.name}.part")
    with texts.speaking(language):
        report = replace(report, provenance=texts.said_facts(report.provenance))
    part.write_text(document(report, language), encoding="utf-8")
    part.replace(target)


def _line(outcome: Outcome) -> str:
    row = outcome.row
    name = "".join(c if c.isprintable() else "?" for c in str(outcome.path))
    verdict = row["verdict"].replace("_", " ") if row["status"] in ("scored", "cannot_tell") else row["status"]
    number = f" {float(row['probability']):.3f}" if row["probability"] else ""
    spans = f"  at {row['generated_spans']} s" if row["generated_spans"] else ""
    why = f"  ({row['reasons'].replace('_', ' ')})" if row["reasons"] else ""
    earlier = "  [earlier]" if outcome.report is None else ""
    return f"{name}: {verdict.replace('_', ' ')}{number}{spans}{why}{earlier}"


class _Bar:
    """How many files are done, on standard error: a moving bar on a terminal, a line for every tenth elsewhere."""

    def __init__(self, stream: TextIO, total: int) -> None:
        self.stream, self.total, self.done, self.live = stream, total, 0, stream.isatty()

    def start(self) -> None:
        if self.total > 1 and not self.live:
            self.stream.write(f"examining {self.total} files ...\n")
            self.stream.flush()

    def step(self, outcome: Outcome) -> None:
        self.done += 1
        if self.total < 2:
            return
        if self.live:
            bar = "#" * round(30 * self.done / self.total)
            self.stream.write(f"\r[{bar:<30}] {self.done}/{self.total} {outcome.path.name[:40]!a}\x1b[K")
        elif self.done % max(1, self.total // 10) == 0:
            self.stream.write(f"{self.done} of {self.total}\n")
        self.stream.flush()

    def stop(self) -> None:
        if self.live and self.total > 1:
            self.stream.write("\n")
            self.stream.flush()
