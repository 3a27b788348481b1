"""The report as HTML: a fragment for the page, and a file of its own that can be handed on.

Nothing is fetched from anywhere: styles and pictures are inside. Every value is escaped.
"""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import cv2
import numpy as np

from detection import words
from detection.crops import ROOM, canonical
from detection.report import FaceReport, Report, Shot

WIDTH, HEIGHT, LEFT, TOP = 640, 132, 34, 8  # of a timeline, in its own units
THUMB = 160  # pixels
SEEK = "var v=this.closest('.dr').querySelector('video');if(v){{v.currentTime={time:.2f};v.play()}}"

STYLE = """
.dr{--ink:#1f2421;--soft:#626a66;--line:#e3e0da;--card:#fff;--red:#b3382c;--teal:#0f766e;--sand:#8a6d1d;color:var(--ink);
font:15px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.dr *{box-sizing:border-box}
.dr section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 18px;margin:0 0 14px}
.dr.dr section h2{font-size:15px;margin:0 0 8px;font-weight:650}.dr h3{font-size:14px;margin:14px 0 4px;font-weight:650}
.dr p{margin:0 0 8px;overflow-wrap:anywhere}.dr .soft{color:var(--soft);font-size:13.5px}
.dr .verdict{font-size:24px;font-weight:700;margin:0 0 6px;line-height:1.2}
.dr .generated .verdict{color:var(--red)}.dr .authentic_looking .verdict{color:var(--teal)}
.dr .cannot_tell .verdict,.dr .no_face .verdict,.dr .unreadable .verdict{color:var(--sand)}
.dr .bar{position:relative;height:12px;border-radius:6px;margin:8px 0 10px;
background:linear-gradient(90deg,#cfe6e3,#efe9dc,#f1cfca)}
.dr .bar i{position:absolute;top:-3px;bottom:-3px;background:rgba(31,36,33,.22);border-radius:4px}
.dr .bar b{position:absolute;top:-4px;width:3px;height:20px;background:var(--ink);border-radius:2px}
.dr ul{margin:4px 0 8px;padding-left:20px}.dr li{margin:2px 0;overflow-wrap:anywhere}
.dr table{border-collapse:collapse;width:100%;font-size:14px}.dr th{text-align:left;font-weight:600;color:var(--soft)}
.dr.dr section th,.dr.dr section td{padding:5px 10px 5px 0;border:0;border-top:1px solid var(--line);vertical-align:top;
word-break:normal}
.dr td:nth-child(2){white-space:nowrap}
.dr dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 14px;margin:0;font-size:14px}
.dr dt{color:var(--soft)}.dr dd{margin:0;overflow-wrap:anywhere}
.dr svg{display:block;width:100%;height:auto}.dr svg text{font-size:10px;fill:var(--soft)}
.dr .hit{fill:transparent;cursor:pointer}.dr .hit:hover,.dr .hit:focus{fill:rgba(15,118,110,.12);outline:none}
.dr .shots{display:flex;flex-wrap:wrap;gap:12px;margin:8px 0 0}.dr figure{margin:0;cursor:pointer}
.dr figure img{width:112px;height:112px;border-radius:8px;display:inline-block;border:1px solid var(--line)}
.dr figcaption{font-size:12.5px;color:var(--soft)}
.dr video[hidden]{display:none}
.dr video{width:100%;max-height:360px;border-radius:10px;background:#000;display:block;margin:8px 0 0}
@media (prefers-color-scheme:dark){body>.dr{--ink:#ece9e4;--soft:#a7a29a;--line:#37342f;--card:#1d1c1a;--red:#f08a7e;
--teal:#4fc7ba;--sand:#d8b65c}}
.dark .dr{--ink:#ece9e4;--soft:#a7a29a;--line:#37342f;--card:#1d1c1a;--red:#f08a7e;--teal:#4fc7ba;--sand:#d8b65c}
"""


def document(report: Report, language: str = "en") -> str:
    """The report as one HTML file that needs nothing else."""
    title = f"{words.LABELS[language]['title']}{words.COLON[language]} {report.file}"
    pick = (
        f'<section><p class="soft">{escape(words.LABELS[language]["video"])}</p>'
        '<input type="file" accept="video/*" onchange="var v=this.parentNode.querySelector(\'video\');'
        'v.src=URL.createObjectURL(this.files[0]);v.hidden=false"><video controls muted hidden></video></section>'
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src '
        "'unsafe-inline'; script-src 'unsafe-inline'; media-src blob:\">"
        f"<title>{escape(title)}</title><style>body{{margin:0;padding:24px 16px;background:#faf9f7}}"
        "@media (prefers-color-scheme:dark){body{background:#141312}}"
        f".dr{{max-width:820px;margin:0 auto}}h1{{font-size:19px;overflow-wrap:anywhere}}{STYLE}</style></head>"
        f'<body><main class="dr"><h1>{escape(title)}</h1>{_sections(report, language, pick)}</main></body></html>'
    )


def fragment(report: Report, language: str = "en", video: str = "") -> str:
    """The report for a page. video: address of the file, for jumping to moments; the page serves it."""
    player = (
        f'<section><video controls muted preload="metadata" src="{escape(video)}#t=0.01"></video></section>'
        if video
        else ""
    )
    return f'<style>{STYLE}</style><div class="dr">{_sections(report, language, player)}</div>'


def _sections(report: Report, language: str, player: str) -> str:
    t = words.LABELS[language]
    parts = [_provenance(report.provenance, t), _verdict(report, language)]
    if report.status == "scored":
        parts.append(player)
    parts += [_face(face, report, language) for face in report.faces]
    parts += [_unread(report, language), _rates(report, language), _container(report, language)]
    return "".join(parts)


def _provenance(facts: dict[str, Any] | None, t: dict[str, str]) -> str:
    head = f"<section><h2>{escape(t['provenance'])}</h2>"
    if not facts:
        return f'{head}<p class="soft">{escape(t["provenance_none"])}</p></section>'
    mark = facts.get("watermark", {})
    seen = (
        t["found"].format(id=mark.get("id"))
        if mark.get("found")
        else t["trace"]
        if mark.get("trace")
        else t["not_found"]
    )
    logged = {True: t["included"], False: t["missing"]}.get(facts.get("log", {}).get("included"), t["nothing"])
    manifest = facts.get("manifest", {})
    state, consent = str(manifest.get("state", "")), str(facts.get("consent", {}).get("state", ""))
    signed = ", ".join(filter(None, [t.get(f"manifest_{state}", state), str(manifest.get("generator") or "")]))
    rows = [
        (t["manifest"], signed),
        (t["watermark"], seen),
        (t["consent"], t.get(f"consent_{consent}", consent)),
        (t["log"], logged),
    ]
    warnings = "".join(f"<li>{escape(str(text))}</li>" for text in facts.get("contradictions", ()))
    warnings = f"<ul>{warnings}</ul>" if warnings else ""
    return f'{head}{_pairs(rows)}{warnings}<p class="soft">{escape(t["provenance_note"])}</p></section>'


def _verdict(report: Report, language: str) -> str:
    t = words.LABELS[language]
    number = escape(t["no_probability"])
    bar = ""
    if report.probability is not None and report.low is not None and report.high is not None:
        low, high = report.low, report.high
        number = escape(words.probability(report.probability, low, high, language))
        bar = (
            f'<div class="bar"><i style="left:{low:.1%};width:{max(high - low, 0.004):.1%}"></i>'
            f'<b style="left:{report.probability:.1%}"></b></div>'
        )
    why = "".join(f"<li>{escape(words.reason(r, language))}</li>" for r in report.reasons)
    spans = ", ".join(f"{s.start:.0f}–{s.end:.0f} s" for s in report.segments)
    where = f"<p>{escape(t['segments'].format(spans=spans))}</p>" if spans else ""
    return (
        f'<section class="{words.outcome(report)}"><h2>{escape(t["score"])}</h2>'
        f'<p class="verdict">{escape(words.verdict(report, language))}</p><p>{number}</p>{bar}'
        f"<p>{escape(words.meaning(report, language))}</p>{where}{f'<ul>{why}</ul>' if why else ''}</section>"
    )


def _face(face: FaceReport, report: Report, language: str) -> str:
    t = words.LABELS[language]
    name = escape(t["face"].format(number=face.number))
    facts = escape(words.filled(t["face_facts"], language, {"seconds": face.seconds, "width": face.width}))
    verdict = words.VERDICTS[language][face.verdict]
    if face.probability is not None:
        verdict += f", {words.percent(face.probability, language)}"
    title = f"{name}{words.COLON[language]} {escape(verdict)}"
    out = f'<section class="{face.verdict}"><h2>{title}</h2><p class="soft">{facts}</p>'
    if face.status != "scored":
        why = "".join(f"<li>{escape(words.reason(r, language))}</li>" for r in face.reasons)
        return f"{out}<ul>{why}</ul></section>"
    out += _timeline(face, report, language)
    rows = "".join(
        f"<tr><td>{escape(words.BRANCHES[language][b.name])}</td>"
        f"<td>{'–' if b.probability is None else escape(words.percent(b.probability, language))}</td>"
        f"<td>{escape(words.reason(b.saw, language))}</td></tr>"
        for b in face.branches
    )
    head = "".join(f"<th>{escape(t[key])}</th>" for key in ("branch", "alone", "saw"))
    out += f"<h3></h3><table><tr>{head}</tr>{rows}</table>"
    if face.shots:
        pictures = "".join(_shot(shot, language) for shot in face.shots)
        out += f'<p class="soft" style="margin-top:12px">{escape(t["shots"])}</p><div class="shots">{pictures}</div>'
    return f"{out}</section>"


def _timeline(face: FaceReport, report: Report, language: str) -> str:
    """Probability over time as an SVG: band of uncertainty, curve, and a field to click for every window."""
    label = escape(words.LABELS[language]["timeline"])
    end = max([w.end for w in face.windows] + [float(report.read.get("of", 0.0) or 0.0)]) or 1.0
    span, tall = WIDTH - LEFT - 6, HEIGHT - TOP - 18

    def x(time: float) -> float:
        return LEFT + span * time / end

    def y(p: float) -> float:
        return TOP + tall * (1 - p)

    parts = []
    for level in (0.0, 0.5, 1.0):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 6}" y1="{y(level):.1f}" y2="{y(level):.1f}" stroke="#d9d5cf"/>')
        parts.append(f'<text x="2" y="{y(level) + 3:.1f}">{words.number(level, language):.0%}</text>')
    for run in _runs(face):
        middle = [(x((w.start + w.end) / 2), w) for w in run]
        upper = " ".join(f"{a:.1f},{y(w.high):.1f}" for a, w in middle)
        lower = " ".join(f"{a:.1f},{y(w.low):.1f}" for a, w in reversed(middle))
        parts.append(f'<polygon points="{upper} {lower}" fill="#0f766e" opacity=".16"/>')
        line = " ".join(f"{a:.1f},{y(w.probability):.1f}" for a, w in middle)
        parts.append(f'<polyline points="{line}" fill="none" stroke="#0f766e" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{y(w.probability):.1f}" r="3" fill="#0f766e"/>' for a, w in middle]
        for a, w in middle:
            half = max(span * 0.5 / end, 4)
            seek = escape(SEEK.format(time=w.start))
            start, stop = words.number(w.start, language), words.number(w.end, language)
            tip = f"{start:.1f}–{stop:.1f} s{words.COLON[language]} {words.percent(w.probability, language)}"
            parts.append(
                f'<rect class="hit" tabindex="0" x="{a - half:.1f}" y="{TOP}" width="{2 * half:.1f}" height="{tall}" '
                f'onclick="{seek}"><title>{escape(tip)}</title></rect>'
            )
    for place, time in enumerate(np.linspace(0, end, 5)):
        side, digits = ("start", "middle", "middle", "middle", "end")[place], 1 if end < 20 else 0
        said = f"{words.number(time, language):.{digits}f} s"
        parts.append(f'<text x="{x(time):.1f}" y="{HEIGHT - 4}" text-anchor="{side}">{said}</text>')
    return (
        f'<p class="soft">{label}</p>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _runs(face: FaceReport) -> list[list[Any]]:
    """Windows in unbroken runs."""
    runs: list[list[Any]] = []
    for window in face.windows:
        if runs and window.start <= runs[-1][-1].end + 0.05:
            runs[-1].append(window)
        else:
            runs.append([window])
    return runs


def _shot(shot: Shot, language: str) -> str:
    plain = cv2.resize(shot.crop, (THUMB, THUMB), interpolation=cv2.INTER_CUBIC)
    # The flat face fills its map, the crop leaves a little room around the face.
    inner = round(THUMB / ROOM)
    edge = (THUMB - inner) // 2
    heat = np.maximum(shot.heat, 0) / max(float(np.abs(shot.heat).max()), 1e-6)
    flat = cv2.resize(heat, (inner, inner), interpolation=cv2.INTER_CUBIC)
    flat *= cv2.resize(canonical().inside.astype(np.float32), (inner, inner))
    heat = np.zeros((THUMB, THUMB), np.float32)
    heat[edge : edge + inner, edge : edge + inner] = flat
    strength = np.clip(cv2.GaussianBlur(heat, (0, 0), 3), 0, 1)[..., None] * 0.65
    warm = plain * (1 - strength) + np.array([214, 40, 40]) * strength
    caption = escape(
        words.filled(
            words.LABELS[language]["shot"],
            language,
            {"time": float(shot.time), "probability": words.percent(shot.probability, language)},
        )
    )
    seek = escape(SEEK.format(time=max(0.0, shot.time - 0.2)))
    images = "".join(f'<img src="{_png(p)}" alt="{caption}">' for p in (plain, warm))
    return f'<figure onclick="{seek}">{images}<figcaption>{caption}</figcaption></figure>'


def _png(pixels: np.ndarray) -> str:
    _, data = cv2.imencode(".png", np.clip(pixels, 0, 255).astype(np.uint8)[..., ::-1])
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()


def _unread(report: Report, language: str) -> str:
    t = words.LABELS[language]
    if not report.read:
        return ""
    lines = [words.filled(t["read"], language, {k: report.read[k] for k in ("seconds", "of", "pictures")})]
    if report.read.get("cuts"):
        cuts = (words.number(cut, language) for cut in report.read["cuts"][:12])
        lines.append(t["cuts"].format(times="; ".join(f"{cut:.1f}" for cut in cuts)))
    # A single face has said it in its own section.
    skipped = [f for f in report.faces if f.status != "scored"] if len(report.faces) > 1 else []
    for face in skipped:
        name = t["face"].format(number=face.number) + words.COLON[language]
        lines += [f"{name} {words.reason(r, language)}" for r in face.reasons]
    body = "".join(f"<li>{escape(line)}</li>" for line in lines)
    done = escape(words.filled(t["done"], language, {"seconds": report.seconds}))
    return f'<section><h2>{escape(t["missing_title"])}</h2><ul>{body}</ul><p class="soft">{done}</p></section>'


def _rates(report: Report, language: str) -> str:
    t, figures = words.LABELS[language], report.error_rates
    text = t["limits"]
    if figures.get("auc"):
        auc, low, high = figures["auc"]
        values = {
            "people": figures["people"],
            "real": figures["real"],
            "generated": figures["generated"],
            "false_alarms": words.false_alarms(figures, language),
            "missed": float(figures.get("generated_called_authentic", 0.0)),
            "auc": float(auc),
            "auc_low": float(low),
            "auc_high": float(high),
        }
        first = words.filled(t["rates"], language, values)
        text = f"{first} {text}"
    version = escape(t["version"].format(version=report.version))
    return f'<section><h2>{escape(t["rates_title"])}</h2><p>{escape(text)}</p><p class="soft">{version}</p></section>'


def _container(report: Report, language: str) -> str:
    t, facts = words.LABELS[language], report.facts
    if not facts:
        return ""
    sound = t["sound"] if facts["sound"] else t["silent_file"]
    line = words.filled(t["format"], language, facts | {"sound": sound})
    note = f'<p class="soft">{escape(t["container_note"])}</p>'
    return f"<section><h2>{escape(t['container'])}</h2><p>{escape(line)}</p>{note}</section>"


def _pairs(rows: list[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows) + "</dl>"


__all__ = ["document", "fragment"]
