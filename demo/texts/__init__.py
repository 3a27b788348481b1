"""Every sentence of the pages, in two languages.

`texts.CREATE` is the sentence in the language that is being spoken: English, unless `speaking("fr")` is around the call.
`en.py` and `fr.py` hold the same names, those about consent in files of their own. Sentences that other packages bring
(errors, advice, findings of the audit) are English there and become French through `phrases`. Plain text throughout;
whoever puts it into HTML escapes it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from demo.texts import en, fr, phrases

LANGUAGES = {"en": "English", "fr": "Français"}
_BOOKS = {"en": en, "fr": fr}
_spoken: ContextVar[str] = ContextVar("language", default="en")


def language() -> str:
    """The language being spoken here: "en" or "fr"."""
    return _spoken.get()


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Speak a language inside a block. Raises KeyError for one that is not in LANGUAGES."""
    token = _spoken.set(name if name in LANGUAGES else LANGUAGES[name])
    try:
        yield
    finally:
        _spoken.reset(token)


def spoken(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function or generator, speaking a language whenever it runs."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
            generator = function(*args, **kwargs)
            try:
                while True:
                    with speaking(name):  # not around the yield: the next step may run in another thread
                        try:
                            item = next(generator)
                        except StopIteration:
                            return
                    yield item
            finally:
                generator.close()

        return steps

    @functools.wraps(function)
    def once(*args: Any, **kwargs: Any) -> Any:
        with speaking(name):
            return function(*args, **kwargs)

    return once


class Number(float):
    """A number that is written as the language being spoken writes it: 1.5% is 1,5 % in French."""

    def __format__(self, spec: str) -> str:
        written = super().__format__(spec)
        return written.replace(".", ",").replace("%", "\u202f%") if language() == "fr" else written


def said(sentence: str) -> str:
    """A sentence of another package (an error, advice, a finding) in the language being spoken."""
    return sentence if language() == "en" else phrases.french(sentence)


def said_facts(facts: dict[str, Any] | None) -> dict[str, Any] | None:
    """What an audit found (`AuditReport.to_dict`), its sentences in the language being spoken."""
    if not facts:
        return facts
    return facts | {
        "contradictions": [said(text) for text in facts["contradictions"]],
        "summary": said(facts["summary"]),
    }


def __getattr__(name: str) -> Any:
    if name.isupper():
        book = _BOOKS[_spoken.get()]
        return getattr(book, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
