"""`demo batch`: many videos from a table, one after another; started again, it goes on where it stopped.

The table is a CSV with the columns photo, audio, consent and out, and any option of `demo generate` as a further column
(seed, fps, gaze, distance, emotion, head-motion, mouth, blinks; full-frame and no-badge take yes). Paths are relative
to the table. Beside every video lies its report, `OUT.json`; a row whose report is of the same row is not made again.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from pathlib import Path
from typing import Any, TextIO

from demo.errors import UsageError
from vasa_core.errors import CandorError

NEEDED = ("photo", "audio", "consent", "out")
VALUES = ("seed", "fps", "gaze", "distance", "emotion", "head-motion", "mouth", "blinks")
FLAGS = ("full-frame", "no-badge")
MOST_ROWS = 10_000
MOST_BYTES = 16 << 20


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    batch = commands.add_parser("batch", help="make the videos of a table; go on where it stopped")
    batch.add_argument(
        "jobs", type=Path, metavar="JOBS.csv", help="photo, audio, consent, out, and options of generate"
    )
    batch.add_argument("-o", "--out", required=True, type=Path, metavar="DIR", help="an existing folder for the videos")
    batch.add_argument("--json", action="store_true", help="print one JSON object on standard output")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    """Make what is not made yet. A row that fails is named and the others are made; then UsageError."""
    from demo.cli import parser
    from demo.studio import Studio

    rows = read(args.jobs)
    if not args.out.is_dir():
        raise UsageError(f"The folder '{args.out}' does not exist. Make it first or choose another one for -o.")
    orders = [parser().parse_args(_words(row, args.jobs.parent, args.out, line)) for line, row in enumerate(rows, 2)]
    studio, reports, failed = Studio(), [], 0
    for line, (row, order) in enumerate(zip(rows, orders, strict=True), 2):
        kept, digest = order.out.with_name(order.out.name + ".json"), _digest(row)
        report = _finished(order.out, kept, digest)
        if report is None:
            try:
                report = _make(studio, order) | {"row": digest}
                kept.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
                print(f"row {line} of {len(rows) + 1}: {order.out.name}", file=err)
            except CandorError as error:
                failed += 1
                report = {"out": str(order.out), "error": error.code, "message": str(error)}
                print(f"row {line} of {len(rows) + 1}: {error}", file=err)
        else:
            print(f"row {line} of {len(rows) + 1}: {order.out.name} was made before", file=err)
        reports.append(report)
    if args.json:
        print(json.dumps({"videos": reports, "failed": failed}), file=out)
    if failed:
        raise UsageError(f"{failed} of {len(rows)} videos could not be made. Mend their rows and start again.")


def read(table: Path) -> list[dict[str, str]]:
    """The rows of a table. Raises UsageError for one that cannot be read, has other columns, or no rows."""
    try:
        if table.stat().st_size > MOST_BYTES:
            raise UsageError(f"'{table}' is larger than {MOST_BYTES >> 20} MB. Split it.")
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = [name.strip() for name in reader.fieldnames or []]
            rows = [{str(key).strip(): str(value or "").strip() for key, value in row.items()} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"The table '{table}' cannot be read ({error}). Give a CSV file in UTF-8.") from error
    unknown = sorted(set(names) - {*NEEDED, *VALUES, *FLAGS})
    missing = [name for name in NEEDED if name not in names]
    if unknown or missing:
        wrong = f"unknown: {', '.join(unknown)}" if unknown else f"missing: {', '.join(missing)}"
        raise UsageError(f"The columns of '{table}' do not fit ({wrong}). Type `python -m demo batch --help`.")
    if not 0 < len(rows) <= MOST_ROWS:
        raise UsageError(f"'{table}' has {len(rows)} rows; give 1 to {MOST_ROWS}.")
    if len({row["out"] for row in rows}) != len(rows):
        raise UsageError(f"Two rows of '{table}' write the same file. Give each its own name.")
    return rows


def _words(row: dict[str, str], base: Path, folder: Path, line: int) -> list[str]:
    """The row as the words of a `generate` command. Raises UsageError."""
    name = Path(row["out"])
    if not row["out"] or name.name != row["out"] or name.suffix.lower() != ".mp4":
        raise UsageError(f"Row {line}: out is '{row['out']}'. Give the plain name of an .mp4 file.")
    words = ["generate", str(base / row["photo"]), str(base / row["audio"]), f"--consent={base / row['consent']}"]
    words.append(f"--out={folder / name}")
    words += [f"--{name}={row[name]}" for name in VALUES if row.get(name)]
    return words + [f"--{name}" for name in FLAGS if row.get(name, "").lower() in ("yes", "true", "1")]


def _digest(row: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()


def _finished(video: Path, kept: Path, digest: str) -> dict[str, Any] | None:
    """The report of a video that this very row has made, or None."""
    try:
        report = json.loads(kept.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return report if video.exists() and isinstance(report, dict) and report.get("row") == digest else None


def _make(studio: Any, order: argparse.Namespace) -> dict[str, Any]:
    from demo.cli import controls_of
    from safety.consent import load_consent

    record = load_consent(order.consent)
    made = studio.create(
        order.photo,
        order.audio,
        lambda photo, speech: record,
        order.out,
        controls=controls_of(order),
        fps=order.fps,
        full_frame=order.full_frame,
        badge=not order.no_badge,
    )
    return dict(made.report())
