"""French for sentences that other packages bring: errors, advice on a photo, findings of the audit.

Those packages speak English and know nothing of the pages. Here their sentences are recognised by templates, `{}` for
what varies (file names, numbers), and said again in French. A text may be several such sentences, one after another.
`tests/demo/test_texts.py` reads the source of every package and names the sentences that have no template yet.
"""

from __future__ import annotations

import re
from functools import lru_cache

from demo.texts.phrases_fr import SENTENCES, WORDS

HOLE = re.compile(r"\{[^{}]*\}")


def french(text: str) -> str:
    """The text in French, or unchanged where a sentence of it is not known."""
    said = _said(text)
    return text if said is None else said


def _said(text: str) -> str | None:
    if text in WORDS:
        return WORDS[text]
    for pattern, template in _patterns():
        match = pattern.fullmatch(text)
        if match is None:
            continue
        *holes, rest = match.groups()
        more = _said(rest) if rest else ""
        if more is not None:
            return " ".join(filter(None, [template.format(*(french(hole) for hole in holes)), more]))
    return None


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Templates as patterns, the most specific first; the last group is what follows the sentence."""
    ordered = sorted(SENTENCES.items(), key=lambda pair: -len(HOLE.sub("", pair[0])))
    return [(pattern_of(english), template) for english, template in ordered]


def pattern_of(template: str) -> re.Pattern[str]:
    """The pattern that an English template stands for."""
    fixed = [re.escape(part) for part in HOLE.split(template)]
    if not fixed[-1]:  # it ends in a hole, which takes the rest
        return re.compile("(.*?)".join(fixed[:-1]) + "(.*)()", re.DOTALL)
    return re.compile("(.*?)".join(fixed) + "(?: (.+))?", re.DOTALL)
