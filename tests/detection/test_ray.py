"""The batch over a local Ray cluster of two workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from detection.batch import Workers, examine_all
from detection.report import Report

pytest.importorskip("ray", reason="Ray is an optional extra")


def make() -> Callable[[Path], Report]:
    """An examiner that says who examined, and dies of one file."""

    def examine(path: Path) -> Report:
        if path.name == "deadly.mp4":
            os._exit(1)
        if path.name == "broken.mp4":
            raise ValueError(path)
        return Report(path.name, "no_face", "cannot_tell", None, None, None, (), version=str(os.getpid()))

    return examine


def never(path: Path) -> Report:
    raise AssertionError(path)


@pytest.mark.slow
def test_two_workers_share_the_files_and_survive_a_broken_and_a_deadly_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.mp4" for n in ("a", "b", "broken", "deadly", "c", "d")]
    for path in paths:
        path.write_bytes(b"x")
    with Workers(make, 2) as workers:
        outcomes = {o.path.stem: o.report for o in examine_all(paths, never, workers=workers)}
    assert outcomes.keys() == {p.stem for p in paths}
    assert {k: r.status for k, r in outcomes.items() if r is not None} == {
        p.stem: "unreadable" if p.stem in ("broken", "deadly") else "no_face" for p in paths
    }
    assert len({r.version for k, r in outcomes.items() if r is not None and len(k) == 1}) >= 2
