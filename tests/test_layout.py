"""Promises about the tree itself: who may import whom, and that the seal is the only exit for video."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("vasa_core", "safety", "detection", "demo")
MAY_IMPORT = {  # package -> the other packages, or their modules, that it may import
    "vasa_core": (),
    "safety": ("vasa_core",),
    "detection": ("vasa_core", "safety.watermark", "safety.video_mark"),  # the mark goes on both classes in training
    "demo": ("vasa_core", "safety", "detection"),
}
# Ways to write video. `safety` owns them; elsewhere they would be a second exit.
FORBIDDEN_CALLS = {"VideoWriter", "mimwrite", "mimsave", "get_writer", "write_video", "add_stream_from_template"}
SOUND_CODECS = {"aac", "flac", "libopus", "pcm_s16le"}  # what PyAV may be asked to write outside `safety`
FORBIDDEN_MODULES = {"imageio", "imageio_ffmpeg", "moviepy", "ffmpeg", "skvideo", "torchcodec"}
MAX_LINES = 400


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def tracked() -> list[Path]:
    """Files of the project: what git tracks, or every file where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        return [p for p in ROOT.rglob("*") if p.is_file() and not any(part.startswith(".") for part in p.parts)]
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def imported(path: Path) -> Iterator[str]:
    """Absolute names that a module imports, at its top or inside functions; `from a import b` counts as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(path.relative_to(ROOT).with_suffix("").parts)[: -node.level] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{name}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module" and node.args:
            assert isinstance(node.args[0], ast.Constant), f"{path}: import of a computed name"
            yield str(node.args[0].value)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    assert modules(package), f"{package} is empty"
    wrong = []
    for path in modules(package):
        for name in imported(path):
            top = name.split(".")[0]
            if top not in PACKAGES + ("tests", "benchmarks") or top == package:
                continue
            if not any(f"{name}.".startswith(f"{allowed}.") for allowed in MAY_IMPORT[package]):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def _writes_video(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
        if name in FORBIDDEN_CALLS or (name == "add_stream" and not SOUND_CODECS & set(words)):
            yield node.lineno, name
        elif name in {"run", "Popen", "call", "check_call", "check_output", "system", "execvp"}:
            strings = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            if any(re.search(r"(^|[\s/])(ffmpeg|x264|gst-launch\S*|HandBrakeCLI)(\s|$)", text) for text in strings):
                yield node.lineno, "an encoder as a subprocess"


@pytest.mark.parametrize("package", ["vasa_core", "detection", "demo"])
def test_the_seal_is_the_only_exit(package: str) -> None:
    wrong = []
    for path in [*modules(package), ROOT / "app.py"]:
        where = path.relative_to(ROOT)
        wrong += [f"{where} imports {name}" for name in imported(path) if name.split(".")[0] in FORBIDDEN_MODULES]
        wrong += [f"{where}:{line} {what}" for line, what in _writes_video(ast.parse(path.read_text(encoding="utf-8")))]
    assert wrong == []


def test_the_search_for_exits_sees_them() -> None:
    for code in (
        "import cv2\ncv2.VideoWriter('a.mp4', 0, 25, (9, 9))",
        "out.add_stream('libx264', rate=25)",
        "out.add_stream(codec)",
        "out.add_stream_from_template(source)",
        "import subprocess\nsubprocess.run(['ffmpeg', '-i', 'a', 'b.mp4'])",
        "import os\nos.system('/usr/bin/ffmpeg -i a b')",
    ):
        assert list(_writes_video(ast.parse(code))), code
    assert not list(_writes_video(ast.parse("out.add_stream('aac', rate=48000)\nopen('a.json', 'w')\nprint('ffmpeg')")))


def test_files_stay_short() -> None:
    paths = [path for path in tracked() if path.suffix == ".py"]
    long = {str(p.relative_to(ROOT)): n for p in paths if (n := len(p.read_text("utf-8").splitlines())) > MAX_LINES}
    assert long == {}


def test_no_path_of_a_machine() -> None:
    # The first two are written in two halves so that this file does not find itself.
    homes = re.compile("|".join(["/" + "root/", "/" + "work/", r"/home/\w+/", r"/Users/\w+/", r"\.\./" + "shared"]))
    wrong = []
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".txt", ".sh", ".csv", ".json", ".js", ".css", ".html", ""}:
            text = path.read_bytes().decode("utf-8", errors="ignore")
            wrong += [f"{path.relative_to(ROOT)}: {found.group()}" for found in homes.finditer(text)]
    assert wrong == []


def test_the_tree_has_what_a_reader_expects() -> None:
    for name in (
        *("app.py", "README.md", "CHANGELOG.md", "MODEL_CARD.md", "SECURITY.md", "CONTRIBUTING.md", "LICENSE"),
        *("Makefile", "pyproject.toml", "requirements.txt", "requirements-dev.txt", "packages.txt", ".ci/run"),
        *("docs/README.md", "docs/decisions", "benchmarks", "tests/e2e", *PACKAGES),
    ):
        assert (ROOT / name).exists(), name
    assert len((ROOT / "app.py").read_text("utf-8").splitlines()) <= 60


def test_the_space_and_the_requirements_agree() -> None:
    front = (ROOT / "README.md").read_text("utf-8").split("---")[1]
    pins = dict(re.findall(r"^([A-Za-z0-9-]+)==(\S+)$", (ROOT / "requirements.txt").read_text("utf-8"), re.M))
    assert re.search(r"^sdk_version: (\S+)$", front, re.M).group(1) == pins["gradio"]  # type: ignore[union-attr]
    assert re.search(r"^app_file: (\S+)$", front, re.M).group(1) == "app.py"  # type: ignore[union-attr]
    exact = re.compile(r"#.*|[A-Za-z0-9-]+==\S+( ; python_version [<>=]+ \"3\.12\")?")
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines():
        assert exact.fullmatch(line), line


def test_every_document_is_listed_and_every_link_leads_somewhere() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, f"docs/README.md does not list {page.name}"
    for note in (ROOT / "docs" / "decisions").glob("*.md"):
        assert f"(decisions/{note.name})" in index, f"docs/README.md does not list decisions/{note.name}"
    for page in [path for path in tracked() if path.suffix == ".md"]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
