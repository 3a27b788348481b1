"""`demo batch`: many videos from a table, one after another; started again, it goes on where it stopped.

The table is a CSV with the columns photo, audio, consent and out, and any option of `demo generate` as a further column
(seed, fps, gaze, distance, emotion, head-motion, mouth, blinks; full-frame and no-badge take yes). Paths are relative
to the table. Beside every video lies its report, `OUT.json`; a row whose report is of the same row is not made again.
With --ray the videos are spread over the workers of a Ray cluster, a local one unless RAY_ADDRESS names another; all
of them must see the same files and the same ledger (CANDOR_HOME, CANDOR_DATABASE_URL).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from demo.errors import UsageError
from vasa_core.errors import CandorError

NEEDED = ("photo", "audio", "consent", "out")
VALUES = ("seed", "fps", "gaze", "distance", "emotion", "head-motion", "mouth", "blinks")
FLAGS = ("full-frame", "no-badge")
MOST_ROWS = 10_000
MOST_BYTES = 16 << 20
Order = tuple[int, argparse.Namespace]  # index of the row, its `generate` command


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    batch = commands.add_parser("batch", help="make the videos of a table; go on where it stopped")
    batch.add_argument(
        "jobs", type=Path, metavar="JOBS.csv", help="photo, audio, consent, out, and options of generate"
    )
    batch.add_argument("-o", "--out", required=True, type=Path, metavar="DIR", help="an existing folder for the videos")
    batch.add_argument("--ray", action="store_true", help="spread the videos over the workers of a Ray cluster")
    batch.add_argument("--json", action="store_true", help="print one JSON object on standard output")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    """Make what is not made yet. A row that fails is named and the others are made; then UsageError."""
    from demo.cli import parser

    rows = read(args.jobs)
    if not args.out.is_dir():
        raise UsageError(f"The folder '{args.out}' does not exist. Make it first or choose another one for -o.")
    orders = [parser().parse_args(_words(row, args.jobs.parent, args.out, line)) for line, row in enumerate(rows, 2)]
    keys = [_digest(row) for row in rows]
    reports: list[dict[str, Any] | None] = [
        _finished(order.out, _kept(order), key) for order, key in zip(orders, keys, strict=True)
    ]
    for line, (order, report) in enumerate(zip(orders, reports, strict=True), 2):
        if report is not None:
            print(f"row {line} of {len(rows) + 1}: {order.out.name} was made before", file=err)
    wanted = [index for index, report in enumerate(reports) if report is None]
    spread = _by_ray if args.ray else _one_by_one
    for index, report in spread([(index, orders[index]) for index in wanted]):
        order, said = orders[index], report.get("message", orders[index].out.name)
        print(f"row {index + 2} of {len(rows) + 1}: {said}", file=err)
        reports[index] = report
        if "error" not in report:
            report["row"] = keys[index]
            _kept(order).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    failed = sum("error" in (report or {}) for report in reports)
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


def _kept(order: argparse.Namespace) -> Path:
    """Where the report of a video lies."""
    out: Path = order.out
    return out.with_name(out.name + ".json")


def _one_by_one(orders: list[Order]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, report) of every order, made here."""
    maker = _Maker()
    for index, order in orders:
        yield index, maker.make(order)


def _by_ray(orders: list[Order]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, report) of every order as they come back from workers of Ray, as many as there are processors.

    A worker that dies is replaced and its video tried once more. Raises MissingExtra.
    """
    from detection.batch import join_ray

    if not orders:
        return
    count = max(1, min(len(orders), os.cpu_count() or 1))
    ray, mine = join_ray(count)
    try:
        remote = ray.remote(max_restarts=-1, max_task_retries=1)(_Maker)
        actors = [remote.options(num_cpus=1).remote() for _ in range(count)]
        waiting = iter(orders)
        running: dict[Any, tuple[int, Any, argparse.Namespace]] = {}
        for actor in actors:
            running |= _hand_out(actor, waiting)
        while running:
            (ready,), _ = ray.wait(list(running), num_returns=1)
            index, actor, order = running.pop(ready)
            try:
                report = ray.get(ready)
            except ray.exceptions.RayError as error:
                message = f"The worker died ({type(error).__name__}). Start again to try once more."
                report = {"out": str(order.out), "error": "worker_lost", "message": message}
            running |= _hand_out(actor, waiting)
            yield index, report
    finally:
        if mine:
            ray.shutdown()


def _hand_out(actor: Any, waiting: Iterator[Order]) -> dict[Any, tuple[int, Any, argparse.Namespace]]:
    """Give a worker its next order, if there is one."""
    item = next(waiting, None)
    return {} if item is None else {actor.make.remote(item[1]): (item[0], actor, item[1])}


class _Maker:
    """Makes videos one after another and keeps its models between them; here or on a worker."""

    def __init__(self) -> None:
        from demo.studio import Studio

        self._studio = Studio()

    def make(self, order: argparse.Namespace) -> dict[str, Any]:
        """The report of a video, or the error that kept it from being made."""
        try:
            return _make(self._studio, order)
        except CandorError as error:
            return {"out": str(order.out), "error": error.code, "message": str(error)}


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
