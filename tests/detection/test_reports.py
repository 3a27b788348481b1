"""From scores to a verdict, and from a verdict to what people read."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detection.batch import COLUMNS, Table, as_object, examine_all, files_in, row_of
from detection.errors import NothingToExamine
from detection.html import document, fragment
from detection.judge import Sighting, gates, group, judge
from detection.model import Model, Scores
from detection.report import Reason, Report
from detection.words import LABELS, MEANINGS, REASONS, VERDICTS, meaning, percent

CROP = np.full((128, 128, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.from_pretrained()


def scores(
    model: Model, logits: list[float], strange: float = 0.4, unfilmed: float = 0.5, lively: float = 60.0
) -> Scores:
    """Branch values that fuse to the given log-odds."""
    w = model.fusion["silent"]
    skin = (np.array(logits) - w[0]) / max(w[2], 1e-6)  # all of it from the skin branch
    n = len(logits)
    return Scores(
        np.zeros(n), skin, np.zeros(n), np.zeros((n, 3)), *(np.full(n, x) for x in (strange, unfilmed, lively)), None
    )


def sighting(model: Model, logits: list[float], start: float = 0.0, seed: int = 0, **changes: object) -> Sighting:
    count = len(logits)
    look = np.random.default_rng(seed).normal(size=(32, 32)).astype(np.float32)
    look /= np.sqrt((look**2).mean())
    windows = tuple((start + k, start + k + 2.0) for k in range(count))
    crops = tuple((start + k + 1.0, CROP) for k in range(count))
    skin = tuple(np.random.default_rng(k).normal(size=(5, 96, 96)).astype(np.float16) for k in range(count))
    base = Sighting(
        start, start + count + 1, 25 * (count + 1), 150.0, 5.0, 0.2, look, windows, crops, skin, scores(model, logits)
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def verdict(model: Model, *sightings: Sighting) -> Report:
    report = judge(list(sightings), model, [], {"seconds": 9, "of": 9, "pictures": 200, "cuts": []}, {}, False)
    return replace(report, file="a.mp4", version=model.version, error_rates=model.figures)


def test_thresholds_make_the_verdict(model: Model) -> None:
    high, low = model.generated + 1, model.authentic - 1
    assert verdict(model, sighting(model, [high] * 5)).verdict == "generated"
    assert verdict(model, sighting(model, [low] * 5)).verdict == "authentic_looking"
    if model.generated - model.authentic > 0.2:
        between = verdict(model, sighting(model, [(model.generated + model.authentic) / 2] * 5))
        assert between.verdict == "cannot_tell" and between.status == "scored" and between.probability is not None
        assert [r.code for r in between.reasons] == ["between"]


def test_a_generated_stretch_is_named_and_takes_the_clean_verdict_away(model: Model) -> None:
    logits = [model.authentic - 4] * 14 + [model.generated + 1] * 4 + [model.authentic - 4] * 14
    report = verdict(model, sighting(model, logits))
    assert [(s.start, s.end) for s in report.segments] == [(14.0, 19.0)]
    assert report.verdict == "cannot_tell" and "disagree" in {r.code for r in report.reasons}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"width": 30.0}, "too_small"),
        ({"turned": 70.0}, "turned"),
        ({"end": 0.5, "pictures": 2, "scores": None, "windows": (), "crops": (), "skin": ()}, "too_short"),
        ({"pictures": 12}, "few_pictures"),
        ({"detail": -3.0}, "blurred"),
    ],
)
def test_what_cannot_be_judged_gets_a_reason_and_no_number(model: Model, changes: dict, code: str) -> None:
    one = sighting(model, [5.0] * 3, **changes)
    assert code in {r.code for r in gates([one], model)}
    report = verdict(model, one)
    assert (report.status, report.verdict, report.probability) == ("cannot_tell", "cannot_tell", None)
    assert code in {r.code for r in report.reasons}


def test_faces_unlike_anything_seen_get_no_answer(model: Model) -> None:
    one = sighting(model, [9.0] * 3)
    one = replace(one, scores=scores(model, [9.0] * 3, strange=1.4))
    assert [r.code for r in verdict(model, one).reasons] == ["strange"]


def test_a_face_that_does_not_move_by_itself_may_be_a_filmed_photo(model: Model) -> None:
    one = replace(sighting(model, [9.0] * 3), scores=scores(model, [9.0] * 3, lively=model.still / 2))
    report = verdict(model, one)
    assert [r.code for r in report.reasons] == ["still"] and report.probability is None


def test_authentic_looking_is_said_of_faces_like_the_filmed_ones_only(model: Model) -> None:
    clean, foreign = ([x] * 3 for x in (model.authentic - 2, model.generated + 2))
    one = replace(sighting(model, clean), scores=scores(model, clean, unfilmed=1.3))
    report = verdict(model, one)
    assert (report.verdict, [r.code for r in report.reasons]) == ("cannot_tell", ["unlike_filmed"])
    other = replace(sighting(model, foreign), scores=scores(model, foreign, unfilmed=1.3))
    assert verdict(model, other).verdict == "generated"


def test_no_faces_is_not_authentic(model: Model) -> None:
    report = verdict(model)
    assert (report.status, report.verdict, report.probability) == ("no_face", "cannot_tell", None)


def test_sightings_of_one_face_go_together(model: Model) -> None:
    a, b, c = (sighting(model, [0.0] * 3, start, seed) for start, seed in ((0, 1), (10, 2), (20, 1)))
    assert [[s.start for s in face] for face in group([a, b, c])] == [[0, 20], [10]]
    same_time = sighting(model, [0.0] * 3, 1.0, 1)
    assert len(group([a, same_time])) == 2  # two at once are two


def test_the_most_suspicious_face_decides(model: Model) -> None:
    good = sighting(model, [model.authentic - 3] * 6, seed=1)
    bad = sighting(model, [model.generated + 3] * 4, seed=2)
    report = verdict(model, good, bad)
    assert report.verdict == "generated" and len(report.faces) == 2 and report.segments[0].face == 2


def test_the_report_is_one_json_object_with_everything_promised(model: Model) -> None:
    facts = json.loads(json.dumps(verdict(model, sighting(model, [1.0] * 5)).to_dict()))
    for key in (
        "status",
        "probability",
        "verdict",
        "segments",
        "faces",
        "provenance",
        "reasons",
        "meaning",
        "detector",
    ):
        assert key in facts
    face = facts["faces"][0]
    assert [b["name"] for b in face["branches"]] == ["pixels", "skin", "motion", "sync"]
    assert all(w["low"] <= w["probability"] <= w["high"] for w in face["windows"])


@pytest.mark.parametrize("language", ["en", "fr"])
def test_html_escapes_everything_and_fetches_nothing(model: Model, language: str) -> None:
    evil = "<script>alert(1)</script>\"'.mp4"
    facts = {
        "manifest": {"state": "Valid", "generator": evil},
        "watermark": {"found": True, "id": evil},
        "consent": {"state": evil},
        "log": {"included": None},
        "contradictions": [evil],
    }
    report = replace(verdict(model, sighting(model, [1.0] * 5)), file=evil, provenance=facts)
    for text in (document(report, language), fragment(report, language, evil)):
        assert "<script>" not in text and "http://" not in text and "https://" not in text
        assert text.count("data:image/png") >= 2 and "currentTime" in text
    whole = document(report, language)
    assert whole.index(LABELS[language]["provenance"]) < whole.index(LABELS[language]["score"])  # first and apart


@pytest.mark.parametrize("status", ["unreadable", "no_face"])
def test_html_of_what_was_not_judged_shows_no_number(model: Model, status: str) -> None:
    report = Report("a.txt", status, "cannot_tell", None, None, None, (Reason("unreadable", {"text": "not a video"}),))
    text = document(report)
    assert LABELS["en"]["no_probability"] in text and 'class="bar"' not in text


def test_both_languages_say_everything() -> None:
    for book in (VERDICTS, MEANINGS, REASONS, LABELS):
        assert book["en"].keys() == book["fr"].keys()
    report = Report(
        "a", "scored", "generated", 0.9, 0.8, 1.0, (), error_rates={"real": 50, "real_called_generated": 0.0}
    )
    assert "< 2.0%" in meaning(report, "en") and "< 2,0\u202f%" in meaning(report, "fr")


def test_numbers_are_written_as_the_language_writes_them(model: Model) -> None:
    figures = {"people": 9, "real": 50, "generated": 40, "real_called_generated": 0.0625, "auc": (0.991, 0.984, 0.997)}
    facts = {"codec": "h264", "width": 512, "height": 512, "fps": 29.97, "seconds": 5.25, "sound": True}
    read = {"seconds": 5.2, "of": 5.2, "pictures": 130, "cuts": [1.5, 3.0]}
    report = replace(
        verdict(model, sighting(model, [1.0] * 5)), error_rates=figures, facts=facts, read=read, seconds=1.5
    )
    french, english = (re.sub(r"(?s)<style.*?</style>|<[^>]*>", " ", fragment(report, name)) for name in ("fr", "en"))
    assert not re.findall(r"\d\.\d|[\d ]%", french), french
    assert "6,2\u202f%" in french and "5,2 s" in french and "29,97 images/s" in french and "0,991" in french
    assert "6.2%" in english and "5.2 s" in english and "29.97 frames/s" in english


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, "< 1%"), (0.004, "< 1%"), (0.5, "50%"), (0.9949, "99%"), (1.0, "> 99%")]
)
def test_no_probability_is_certain(share: float, said: str) -> None:
    assert percent(share, "en") == said and percent(share, "fr") == said.replace("%", "\u202f%")


def test_a_broken_file_and_a_fault_never_stop_the_rest(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.mp4" for n in "abc"]
    for path in paths:
        path.write_bytes(b"x")

    def examine(path: Path) -> Report:
        if path.name == "b.mp4":
            raise ZeroDivisionError
        return Report(path.name, "no_face", "cannot_tell", None, None, None, (), version="v1")

    outcomes = list(examine_all(paths, examine))
    assert [o.row["status"] for o in outcomes] == ["no_face", "unreadable", "no_face"]
    assert "ZeroDivisionError" in outcomes[1].report.error  # type: ignore[union-attr]


def test_an_interrupted_table_goes_on_and_changed_files_are_examined_again(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.mp4" for n in "abcd"]
    for path in paths:
        path.write_bytes(path.name.encode())
    asked: list[str] = []

    def examine(path: Path) -> Report:
        asked.append(path.name)
        return Report(path.name, "scored", "generated", 0.97, 0.9, 0.99, (), version="v1")

    target = tmp_path / "out.csv"
    part = examine_all(paths, examine, Table(target, "v1"))
    next(part)
    next(part)  # stopped here
    paths[0].write_bytes(b"changed")
    list(examine_all(paths, examine, Table(target, "v1")))
    assert asked == ["a.mp4", "b.mp4", "a.mp4", "c.mp4", "d.mp4"]
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(r["file"]).name for r in rows] == [p.name for p in paths] and list(rows[0]) == list(COLUMNS)
    list(examine_all(paths, examine, Table(target, "v2")))  # another detector: everything anew
    assert len(asked) == 9


def test_cells_of_the_table_are_no_formulas_and_no_control_characters() -> None:
    report = Report("x", "unreadable", "cannot_tell", None, None, None, ())
    assert row_of(Path("=cmd()\x1b[2J.mp4"), report)["file"] == "'=cmd()?[2J.mp4"


def test_paths_and_folders_become_files_in_order(tmp_path: Path) -> None:
    for name in ("b/2.mp4", "b/1.mp4", "a.txt", "b/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = files_in([tmp_path, tmp_path / "a.txt", tmp_path / "missing.mp4"])
    assert [p.name for p in found] == ["a.txt", "1.mp4", "2.mp4", "missing.mp4"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToExamine):
        files_in([tmp_path / "empty"])


def test_one_file_stands_at_the_top_of_the_json_and_many_under_files() -> None:
    report = Report("x", "no_face", "cannot_tell", None, None, None, ())
    from detection.batch import Outcome

    one = Outcome(Path("x.mp4"), {}, report)
    assert as_object([one], {})["status"] == "no_face" == as_object([one], {})["files"][0]["status"]
    assert "status" not in as_object([one, one], {})
