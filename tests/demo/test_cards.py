"""What the pages show: escaped, contradictions first, progress that never runs backwards."""

from __future__ import annotations

import re
from typing import Any

import pytest

from demo import cards, texts
from demo.progress import STAGES, Pace
from demo.samples.recognise import Recognised
from demo.verify import report_html, sample_html

EVIL = "<script>alert('x')</script>"


def facts(**changes: Any) -> dict[str, Any]:
    """What the audit says of a file it knows nothing about."""
    nothing = {
        "manifest": {
            "state": "none",
            "label": "",
            "generator": "",
            "signer": "",
            "title": "",
            "claims": (),
            "failures": (),
        },
        "watermark": {"found": False, "id": None, "score": 0.0, "trace": False},
        "consent": {"state": "none", "record_id": None, "basis": "", "expires_at": "", "withdrawn_at": ""},
        "log": {"included": None, "index": None, "made_at": ""},
        "contradictions": [],
        "verdict": "nothing",
        "summary": "It is not a sign of authenticity.",
    }
    return nothing | changes


def test_absence_is_never_shown_as_authenticity() -> None:
    html = report_html(facts())
    assert "not a sign of authenticity" in html and texts.VERDICT["nothing"] in html
    assert 'class="good"' not in html and "badge good" not in html


def test_every_string_of_a_file_is_escaped() -> None:
    manifest = {
        "state": "Valid",
        "generator": EVIL,
        "signer": EVIL,
        "title": EVIL,
        "label": EVIL,
        "claims": [EVIL],
        "failures": [EVIL],
    }
    html = report_html(facts(manifest=manifest, summary=EVIL, contradictions=[EVIL], verdict=EVIL))
    html += report_html(facts(manifest=manifest, summary=EVIL, verdict="foreign_manifest"))
    assert "<script" not in html and "&lt;script&gt;" in html


def test_contradictions_come_before_everything_else() -> None:
    html = report_html(facts(contradictions=["The pixels say otherwise."], verdict="contradiction"))
    assert html.index("The pixels say otherwise.") < html.index(texts.ROW_MANIFEST)


@pytest.mark.parametrize("state", ["Trusted", "Valid", "Invalid", "none"])
def test_every_manifest_state_has_its_words(state: str) -> None:
    word, sentence = texts.MANIFEST[state]
    html = report_html(facts(manifest={"state": state}))
    assert word in html and sentence in html


@pytest.mark.parametrize("state", ["valid", "expired", "withdrawn", "unknown", "none"])
def test_every_consent_state_has_its_words(state: str) -> None:
    consent = {
        "state": state,
        "record_id": "r-1",
        "basis": "self",
        "expires_at": "2027-01-01",
        "withdrawn_at": "2026-12-01",
    }
    html = report_html(facts(consent=consent))
    assert texts.CONSENT[state][0] in html and "{" not in html


def test_a_shipped_sample_is_recognised_as_such() -> None:
    html = sample_html(facts(manifest={"state": "Valid"}, verdict="foreign_manifest"), Recognised("0123abcd", True))
    assert texts.VERDICT["sample"] in html and "0123abcd" in html and "Unknown signer" not in html
    unmarked = sample_html(facts(manifest={"state": "Valid"}), Recognised("0123abcd", False))
    assert "0123abcd" not in unmarked


def test_notices_are_escaped_and_announced() -> None:
    assert (
        cards.notice(EVIL)
        == '<div class="notice error" role="alert">' + "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;</div>"
    )


def test_the_bar_never_runs_backwards() -> None:
    pace, shown = Pace(), []
    for stage in STAGES:
        for fraction in (0.0, 0.5, 0.3, 1.0, 2.0):
            step = pace.at(stage, fraction)
            shown.append(step.done)
            percent = re.search(r'aria-valuenow="(\d+)"', cards.progress_card(step))
            assert percent and 0 <= int(percent[1]) <= 100
    assert shown == sorted(shown) and shown[-1] == pytest.approx(1.0)


def test_people_in_line_are_told_their_place() -> None:
    assert texts.AHEAD_ONE in cards.progress_card(Pace.waiting(1))
    assert "3 people" in cards.progress_card(Pace.waiting(3))
    assert texts.AHEAD_LEFT.format(seconds=12) in cards.progress_card(Pace.waiting(3, 12.4))
