"""Both languages say everything: the pages' own sentences, and those that other packages bring."""

from __future__ import annotations

import ast
import importlib
import re
import string
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from demo import texts
from demo.texts import en, fr, phrases
from demo.texts.phrases_fr import SENTENCES
from detection.words import LABELS
from safety.attestation import Basis
from safety.audit import ConsentRow, LogRow, _summary
from safety.manifest import ManifestReading
from safety.sound_witness import SoundRow
from safety.witnesses import WatermarkRow
from vasa_core.errors import CandorError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("vasa_core", "safety", "detection", "demo")
NOT_ON_PAGES = ("training", "cli.py", "batch.py", "detecting.py", "attesting.py")  # commands speak English
HOW = "give each an English template and a French sentence in demo/texts/phrases_fr.py"
OWN_TEXT = re.compile(r"texts\.[A-Z_]+")  # of the pages' own books, which hold the same names


def names(book: ModuleType) -> set[str]:
    return {name for name in vars(book) if name.isupper()}


def leaves(value: Any, path: str = "") -> dict[str, str]:
    """Every sentence inside a text, by its place: texts may be tuples, lists and dictionaries."""
    if isinstance(value, str):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {key: text for name, item in items for key, text in leaves(item, f"{path}/{name}").items()}


def fields(text: str) -> set[str]:
    return {str(name) for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_books_hold_the_same_texts() -> None:
    assert names(en) == names(fr)
    for name in sorted(names(en)):
        english, french = leaves(getattr(en, name)), leaves(getattr(fr, name))
        assert english.keys() == french.keys(), name
        for place, text in english.items():
            assert bool(text.strip()) == bool(french[place].strip()), f"{name}{place}"
            assert fields(text) == fields(french[place]), f"{name}{place}"


def test_the_language_spoken_decides() -> None:
    assert texts.CREATE_TAB == en.CREATE_TAB and texts.language() == "en"
    with texts.speaking("fr"):
        assert texts.CREATE_TAB == fr.CREATE_TAB
        with texts.speaking("en"):
            assert texts.CREATE_TAB == en.CREATE_TAB
    assert texts.CREATE_TAB == en.CREATE_TAB
    with pytest.raises(KeyError), texts.speaking("xx"):
        pass
    with pytest.raises(AttributeError):
        _ = texts.NO_SUCH_TEXT


def test_a_generator_speaks_its_language_at_every_step_and_not_between_them() -> None:
    closed = []

    def steps(_: int) -> Iterator[str]:
        try:
            yield texts.CREATE_TAB
            yield texts.VERIFY_TAB
        finally:
            closed.append(texts.language())

    spoken = texts.spoken("fr", steps)(1)
    assert next(spoken) == fr.CREATE_TAB
    assert texts.CREATE_TAB == en.CREATE_TAB
    assert next(spoken) == fr.VERIFY_TAB
    spoken.close()
    assert closed


def kinds(base: type[CandorError] = CandorError) -> set[type[CandorError]]:
    """Every error class of every package."""
    for package in PACKAGES:
        importlib.import_module(f"{package}.errors")
    return {base}.union(*(kinds(each) for each in base.__subclasses__()))


def made() -> Iterator[tuple[str, str]]:
    """Where every sentence of a CandorError stands in the source, raised there or made for later, and its template."""
    errors = {kind.__name__ for kind in kinds()}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT)
            if any(part in NOT_ON_PAGES for part in where.parts):
                continue
            tree = ast.parse(path.read_text("utf-8"))
            for node in ast.walk(tree):
                if not (isinstance(node, ast.Call) and node.args):
                    continue
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in errors:
                    said = templates_of(node.args[0], tree)
                    assert said or OWN_TEXT.match(ast.unparse(node.args[0])), f"{where}:{node.lineno} says what?"
                    for number, template in enumerate(said):
                        yield f"{where}:{node.lineno}/{number}", template


def templates_of(node: ast.expr, tree: ast.Module) -> list[str]:
    """Every sentence an expression may be: of both branches of a choice, of a name or function of the same module."""
    if isinstance(node, ast.IfExp):
        return templates_of(node.body, tree) + templates_of(node.orelse, tree)
    found: list[ast.expr | None] = []
    for other in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(other, ast.Assign):
            found += [other.value for goal in other.targets if getattr(goal, "id", "") == node.id]
        if isinstance(node, ast.Call) and isinstance(other, ast.FunctionDef) and ast.unparse(node.func) == other.name:
            found += [step.value for step in ast.walk(other) if isinstance(step, ast.Return)]
    templates = [template_of(each) for each in (found or [node]) if each is not None]
    return [template for template in templates if template is not None]


def template_of(node: ast.expr) -> str | None:
    """The sentence with `{}` for what varies; None for one that is computed elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        return "".join(map(str, parts))
    return None


def test_every_error_of_every_package_has_a_french_sentence() -> None:
    found = dict(made())
    assert len(found) > 100
    missing = {where: text for where, text in found.items() if text not in SENTENCES}
    assert not missing, HOW + ":\n" + "\n".join(f"{where}  {text!r}" for where, text in missing.items())


def test_every_advice_on_a_photo_has_a_french_sentence() -> None:
    tree = ast.parse((ROOT / "vasa_core" / "face" / "detector.py").read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    advice = [template_of(call.args[0]) for call in calls if ast.unparse(call.func) == "sentences.append"]
    assert len(advice) >= 7 and set(advice) <= SENTENCES.keys(), set(advice) - SENTENCES.keys()


def test_every_finding_of_the_audit_has_a_french_sentence() -> None:
    source = (ROOT / "safety" / "audit.py").read_text("utf-8")
    found = [
        template
        for node in ast.walk(ast.parse(source))
        for value in (
            [node.value]
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "text"
            else node.args[1:]
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Contradiction"
            else []
        )
        if (template := template_of(value)) is not None and " " in template
    ]
    mark = WatermarkRow(True, "0a", 9.0, partial=True, seconds=((0.0, 1.5), (3.0, 4.0)))
    silent, alone = SoundRow("unknown"), SoundRow("unknown", mark="0a")
    known, log = ConsentRow("valid"), LogRow(True, manifest_label="urn:x")
    for verdict in en.VERDICT.keys() - {"sample", "contradiction", "altered"}:
        cases = [(mark, silent, known, log), (WatermarkRow(False, None, 0.0), alone, known, LogRow(None))]
        cases += [(mark, silent, ConsentRow(state, "r", "", "2026-01-01", "2026-01-01"), log) for state in en.CONSENT]
        found += [_summary(verdict, ManifestReading("none", signer="X"), *case, ()) for case in cases]
    assert len(found) >= 50
    english = re.compile(r"\b(the|was|of|and|not|with|carries|other)\b", re.IGNORECASE)
    assert [text for text in found if phrases.french(text) == text or english.search(phrases.french(text))] == []


def test_every_state_of_a_witness_has_its_words() -> None:
    for language, book in (("en", en), ("fr", fr)):
        labels = LABELS[language]
        assert all(f"manifest_{state}" in labels for state in book.MANIFEST.keys() - {"sample"})
        assert all(f"consent_{state}" in labels for state in book.CONSENT)
        assert book.BASES.keys() == set(get_args(Basis)) == book.BASIS.keys()


def test_every_error_class_is_raised_with_a_sentence_that_is_known() -> None:
    codes = [kind.code for kind in kinds()]
    assert len(codes) == len(set(codes)), "two error classes share a code"


@pytest.mark.parametrize("english", sorted(SENTENCES))
def test_french_sentences_take_over_what_varies(english: str) -> None:
    count = english.count("{}")
    values = [f"x{number}y" for number in range(count)]
    french = phrases.french(english.format(*values))
    assert french != english.format(*values)
    assert all(value in french for value in values) and "{" not in french, french


def test_several_sentences_and_words_within_them() -> None:
    with texts.speaking("fr"):
        advice = "2 faces: the largest is used; you can choose another. The face is very dark: a brighter picture looks better."  # noqa: E501
        assert texts.said(advice).startswith("2 visages") and "sombre" in texts.said(advice)
        assert texts.said("Gaze yaw is 40; choose a value from -30 to 30.").startswith("Le regard horizontal vaut 40")
        tricky = "'. Choose.jpg' is empty. Choose another file or save it again."
        assert texts.said(tricky).startswith("«\u00a0. Choose.jpg\u00a0» est vide")
        assert texts.said("A sentence nobody knows.") == "A sentence nobody knows."
    assert texts.said(advice) == advice
