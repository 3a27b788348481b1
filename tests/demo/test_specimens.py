"""The files to try Verify and Detect on are what they claim to be, by the audit's own judgement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.session import Visitors
from demo.specimens import KINDS, Specimens, boxes
from demo.studio import Studio
from tests.demo.conftest import Desk


@pytest.fixture(scope="module")
def studio(desk: Desk) -> Studio:
    return Studio(desk.home)


@pytest.fixture(scope="module")
def specimens(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Specimens]:
    visitors = Visitors(tmp_path_factory.mktemp("specimens") / "root")
    yield Specimens(studio, visitors)
    visitors.close()


def test_every_kind_reads_as_what_it_is(studio: Studio, specimens: Specimens) -> None:
    found = {kind: studio.audit(specimens.path(kind)).to_dict()["verdict"] for kind in KINDS}
    assert found == {"own": "sealed", "stripped": "stripped_copy", "tampered": "altered", "real": "nothing"}


def test_the_copies_are_of_one_video_that_is_made_once(specimens: Specimens) -> None:
    own, stripped, tampered = (specimens.path(kind) for kind in ("own", "stripped", "tampered"))
    before = own.stat().st_mtime_ns
    assert specimens.path("own").stat().st_mtime_ns == before
    contents = [path.read_bytes() for path in (own, stripped, tampered)]
    assert len({len(content) for content in contents}) == 1 and len(set(contents)) == 3
    assert all(boxes(content)[b"mdat"] == boxes(contents[0])[b"mdat"] for content in contents)
    assert not list(own.parent.glob("*.part"))


def test_boxes_of_a_file_that_is_none() -> None:
    assert boxes(b"") == {} and boxes(bytes(64)) == {b"\0\0\0\0": (0, 64)}
    assert boxes(b"\0\0\0\x02free" + bytes(9)) == {}


def test_an_unknown_kind_is_no_file(specimens: Specimens) -> None:
    with pytest.raises(KeyError):
        specimens.path("../own")
    assert not list(Path(specimens._folder).parent.glob("*.mp4"))
