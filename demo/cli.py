"""The command line: a contract that scripts rely on (docs/demo.md).

Exit codes: 0 done; 1 a fault of the program itself; 2 bad input; 3 refused by the consent gate; 4 the seal's
self-check failed; 130 stopped by Ctrl-C, 143 by SIGTERM. Errors are one line on standard error, and then no output
file has been written. Only argparse is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from demo import batch, detecting
from demo.errors import UsageError
from demo.quiet import DEBUG, own_words_only
from vasa_core.errors import CandorError

if TYPE_CHECKING:
    from demo.progress import Step
    from vasa_core.types import Controls

BASES = ("self", "written-consent", "public-domain", "synthetic")
STAGES = {
    "rendering": "drawing, marking and encoding",
    "signing": "signing",
    "checking": "checking the finished file",
}
LOG = {True: "included", False: "no entry for this video", None: "nothing to look up"}
SIGNED_VALUES = ("--gaze", "--distance")  # argparse takes a value such as -10,5 for an option


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    try:
        args = parser().parse_args(_glue(list(sys.argv[1:] if argv is None else argv)))
    except UsageError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    if args.command == "serve":
        return _serve(args)
    signal.signal(signal.SIGTERM, _terminate)
    with own_words_only() as (out, err):
        try:
            COMMANDS[args.command](args, out, err)
        except CandorError as error:
            return _complain(err, str(error), error.exit_code)
        except KeyboardInterrupt as stop:
            return _complain(err, "Stopped. Nothing was written.", 143 if stop.args else 130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # the reader left; nothing more to say
            return 1
        except Exception as error:
            if os.environ.get(DEBUG):
                raise
            fault = f"{type(error).__name__}: {error}".splitlines()[0]
            hint = f"Set {DEBUG}=1 to see where, and please report it."
            return _complain(err, f"Unexpected fault ({fault}). Nothing was written. {hint}", 1)
    return 0


def parser() -> argparse.ArgumentParser:
    """The whole command line, one sub-command a paragraph."""
    top = _Parser("demo", description="Candor: one photo and one audio clip become a sealed talking video.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    consent = commands.add_parser("consent", help="sign a consent record for one photo and one recording")
    _add_inputs(consent)
    consent.add_argument("--basis", required=True, choices=BASES, help="what entitles you to make the video")
    consent.add_argument("--subject", required=True, metavar="TEXT", help="who is in the photo")
    consent.add_argument("--attester", required=True, metavar="TEXT", help="who states this: your name")
    consent.add_argument("--purpose", required=True, metavar="TEXT", help="what the video is for")
    consent.add_argument("--expires", type=int, default=365, metavar="DAYS", help="days the consent is good for (365)")
    consent.add_argument("-o", "--out", required=True, type=Path, metavar="CONSENT.json", help="where the record goes")
    consent.add_argument("--source", default="", metavar="TEXT", help="where the picture comes from")
    consent.add_argument("--reference", default="", metavar="TEXT", help="where the written consent is kept")
    consent.add_argument("--document", type=Path, metavar="FILE", help="the written consent; only a commitment is kept")
    consent.add_argument(
        "--phrase", metavar="ID", help="of `python -m safety phrase`, answered by --answer or a recording"
    )
    consent.add_argument("--answer", default="", metavar="TEXT", help="the words of the phrase")
    consent.add_argument("--answer-recording", type=Path, metavar="FILE", help="the words of the phrase, spoken")
    consent.add_argument("--any-audio", action="store_true", help="good for every recording, not only for AUDIO")
    consent.add_argument("--languages", default="", metavar="TAGS", help="that may be spoken, such as en,fr (any)")
    consent.add_argument(
        "--distribution", choices=("private", "organisation", "public"), default="public", help="how far (public)"
    )
    consent.add_argument("--language", choices=("en", "fr"), default="en", help="of the notice that is shown (en)")

    generate = commands.add_parser("generate", help="make the talking video")
    _add_inputs(generate)
    generate.add_argument("--consent", required=True, type=Path, metavar="CONSENT.json", help="from `demo consent`")
    generate.add_argument("-o", "--out", required=True, type=Path, metavar="OUT.mp4")
    generate.add_argument("--fps", type=int, default=40, metavar="N", help="frames per second, 25 to 60 (40)")
    generate.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same motion (0)")
    generate.add_argument("--gaze", type=_gaze, default=(0.0, 0.0), metavar="YAW,PITCH", help="degrees, -30 to 30")
    generate.add_argument("--distance", type=float, default=0.0, metavar="D", help="-0.5 (far) to 0.5 (close)")
    generate.add_argument("--emotion", type=_emotion, default={}, metavar="NAME:STRENGTH", help="such as happy:0.6")
    generate.add_argument("--head-motion", type=float, default=1.0, metavar="G", help="gain, 0 to 2 (1)")
    generate.add_argument("--mouth", type=float, default=1.0, metavar="G", help="gain, 0 to 2 (1)")
    generate.add_argument("--blinks", type=float, metavar="PER_MIN", help="blinks a minute, 0 to 60")
    generate.add_argument("--full-frame", action="store_true", help="the whole photo, not only the head")
    generate.add_argument("--no-badge", action="store_true", help='without the visible sign "AI-generated"')
    generate.add_argument("--json", action="store_true", help="print one JSON object on standard output")

    reenact = commands.add_parser("reenact", help="make the video with the movement of another video's face")
    reenact.add_argument("photo", type=Path, metavar="PHOTO")
    reenact.add_argument("audio", type=Path, metavar="VIDEO", help="a video with sound and one face; both are used")
    reenact.add_argument("--consent", required=True, type=Path, metavar="CONSENT.json", help="for PHOTO and VIDEO")
    reenact.add_argument("-o", "--out", required=True, type=Path, metavar="OUT.mp4")
    reenact.add_argument("--fps", type=int, default=40, metavar="N", help="frames per second, 25 to 60 (40)")
    reenact.add_argument("--distance", type=float, default=0.0, metavar="D", help="-0.5 (far) to 0.5 (close)")
    reenact.add_argument("--full-frame", action="store_true", help="the whole photo, not only the head")
    reenact.add_argument("--no-badge", action="store_true", help='without the visible sign "AI-generated"')
    reenact.add_argument("--json", action="store_true", help="print one JSON object on standard output")

    verify = commands.add_parser("verify", help="read a file's manifest, watermark, consent and log entry")
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.add_argument("--json", action="store_true", help="print one JSON object on standard output")

    detecting.add_parser(commands)
    batch.add_parser(commands)

    revoke = commands.add_parser("revoke", help="withdraw a consent record of this installation")
    revoke.add_argument("record_id", metavar="RECORD_ID")

    serve = commands.add_parser("serve", help="open the pages, the same app as app.py")
    serve.add_argument("--host", default=None, metavar="H", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, default=None, metavar="P", help="port (7860)")
    return top


def _add_inputs(command: argparse.ArgumentParser) -> None:
    command.add_argument("photo", type=Path, metavar="PHOTO")
    command.add_argument("audio", type=Path, metavar="AUDIO", help="sound, or a video with sound")


def _consent(args: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    from demo import attesting
    from demo.studio import Studio
    from vasa_core.audio import load_speech
    from vasa_core.photo import load_photo

    _check_target(args.out, args.photo, args.audio)
    studio = Studio()
    draft = attesting.draft(args)
    photo, speech = load_photo(args.photo), load_speech(args.audio)
    attestation = attesting.complete(draft, args, studio.vault, err)
    record = studio.consent(attestation, photo, speech, args.language)
    record.save(args.out)
    _warn_of_development(studio.vault.development, err)
    print(f"Consent record {record.id} signed and written to {args.out}.", file=out)


def _generate(args: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    _make(args, controls_of(args), out, err)


def _reenact(args: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    from vasa_core.types import Controls

    _make(args, Controls(distance=args.distance), out, err, driven=True)


def _make(args: argparse.Namespace, controls: Controls, out: TextIO, err: TextIO, driven: bool = False) -> None:
    """A sealed video, moved by the sound or, `driven`, by the face in the video."""
    from demo.studio import Studio
    from safety.consent import load_consent

    if args.out.suffix.lower() != ".mp4":
        raise UsageError(f"The video is an MP4 file; give -o a name that ends in .mp4 instead of '{args.out.name}'.")
    _check_target(args.out, args.photo, args.audio, args.consent)
    record = load_consent(args.consent)
    made = Studio().create(
        args.photo,
        args.audio,
        lambda photo, speech: record,
        args.out,
        controls=controls,
        fps=args.fps,
        full_frame=args.full_frame,
        driven=driven,
        badge=not args.no_badge,
        progress=_Meter(err),
    )
    _warn_of_development(made.development, err)
    if made.gaps:
        spans = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in made.gaps)
        print(f"The face in '{args.audio.name}' could not be followed at {spans}; movement is filled in.", file=err)
    if args.json:
        print(json.dumps(made.report() | ({"gaps": made.gaps} if driven else {})), file=out)
        return
    sealed = made.sealed
    print(f"{sealed.path}: {sealed.seconds:.1f} s, {sealed.frames} frames at {sealed.fps} fps", file=out)
    print(f"watermark {sealed.watermark_id}, manifest {sealed.manifest_state}, consent {sealed.record_id}", file=out)
    print(f"log entry {sealed.log_index}; made at {made.realtime:.2f} x real time", file=out)


def _verify(args: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    from demo.studio import Studio

    report = Studio().audit(args.file)
    if args.json:
        print(json.dumps(report.to_dict()), file=out)
        return
    facts: dict[str, Any] = report.to_dict()
    for contradiction in facts["contradictions"]:
        print(f"CONTRADICTION: {contradiction}", file=out)
    if not facts["contradictions"]:  # else the summary only repeats them
        print(report.summary, file=out)
    mark = facts["watermark"]
    generator = facts["manifest"]["generator"]
    own = facts["manifest"]["state"] == "Trusted" and facts["manifest"]["development_authority"]
    warning = " (DEVELOPMENT AUTHORITY: nobody else vouches for it)" if own else ""
    print(f"manifest   {facts['manifest']['state']}{f', by {generator}' if generator else ''}{warning}", file=out)
    if facts["recovered"]:
        print(f"recovered  {facts['recovered']['label']} (soft match, by the watermark)", file=out)
    print(f"watermark  {mark['id'] if mark['found'] else 'not found'}", file=out)
    if mark["found"]:
        print(f"picture    {mark['picture']['state']}", file=out)
    print(f"sound      {facts['sound']['state']}", file=out)
    print(f"consent    {facts['consent']['state']} {facts['consent']['record_id'] or ''}".rstrip(), file=out)
    print(f"log        {LOG[facts['log']['included']]}", file=out)


def _revoke(args: argparse.Namespace, out: TextIO, err: TextIO) -> None:
    from demo.studio import Studio
    from safety.consent import revoke

    revoke(Studio().vault, args.record_id)
    print(f"Consent record {args.record_id} is withdrawn; nothing more can be made with it.", file=out)


def _serve(args: argparse.Namespace) -> int:
    try:
        if args.port:
            _require_free(args.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1", args.port)
        import app  # takes seconds

        app.main(args.host, args.port)
    except CandorError as error:
        return _complain(sys.stderr, str(error), error.exit_code)
    except KeyboardInterrupt:
        return 130
    return 0


def _require_free(host: str, port: int) -> None:
    """Raises UsageError when another program listens there; what else may be wrong shows when the page is opened."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"Port {port} cannot be used; another program may have it. Choose another with --port."
            ) from error


COMMANDS = {"consent": _consent, "generate": _generate, "reenact": _reenact, "verify": _verify, "revoke": _revoke}
COMMANDS |= {"detect": detecting.run, "batch": batch.run}


class _Parser(argparse.ArgumentParser):
    """Complains in one line, through the same door as every other error."""

    def __init__(self, prog: str | None = None, **options: Any) -> None:
        if prog == "demo":
            prog = "python -m demo"
        super().__init__(prog=prog, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        message = message[:1].upper() + message[1:]
        raise UsageError(f"{message.rstrip('.')}. Type `{self.prog} --help` to see what it takes.")


class _Meter:
    """Progress on standard error: a moving bar on a terminal, one line a stage elsewhere.

    Reading the inputs is not reported, so that a refused input leaves exactly one line.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.live = stream.isatty()
        self.stage = ""

    def __call__(self, step: Step) -> None:
        if step.stage not in STAGES:
            return
        if self.live:
            left = "" if step.left is None else f", {step.left:.0f} s left"
            bar = "#" * round(step.done * 30)
            end = "\n" if step.done >= 1 else ""
            self.stream.write(f"\r[{bar:<30}] {step.done:4.0%} {STAGES[step.stage]}{left}\x1b[K{end}")
        elif step.stage != self.stage:
            self.stream.write(f"{STAGES[step.stage]} ...\n")
        self.stage = step.stage
        self.stream.flush()


def controls_of(args: argparse.Namespace) -> Controls:
    from vasa_core.types import Controls

    return Controls(
        gaze=args.gaze,
        distance=args.distance,
        emotion=args.emotion,
        head_motion=args.head_motion,
        mouth=args.mouth,
        blinks=args.blinks,
        seed=args.seed,
    )


def _check_target(out: Path, *inputs: Path) -> None:
    """Refuse a target that could never be written, or that would overwrite an input, before any work is done."""
    if out.is_dir():
        raise UsageError(f"'{out}' is a folder. Give -o the name of a file in it.")
    if not out.parent.is_dir():
        raise UsageError(f"The folder '{out.parent}' does not exist. Make it first or choose another one for -o.")
    if not os.access(out.parent, os.W_OK):
        raise UsageError(f"You may not write into '{out.parent}'. Choose another folder for -o.")
    for given in inputs:
        if out.exists() and given.exists() and out.samefile(given):
            raise UsageError(f"-o would overwrite the input '{given}'. Choose another name.")


def _gaze(text: str) -> tuple[float, float]:
    try:
        yaw, pitch = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not YAW,PITCH in degrees, such as 10,-5") from None
    return yaw, pitch


def _emotion(text: str) -> dict[str, float]:
    name, _, strength = text.partition(":")
    try:
        return {name.strip(): float(strength or 1.0)}
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME:STRENGTH, such as happy:0.6") from None


def _glue(argv: list[str]) -> list[str]:
    """`--gaze -10,5` -> `--gaze=-10,5`."""
    glued: list[str] = []
    for word in argv:
        if glued and glued[-1] in SIGNED_VALUES and word[:1] == "-" and word[1:2].isdigit() | (word[1:2] == "."):
            glued[-1] += f"={word}"
        else:
            glued.append(word)
    return glued


def _warn_of_development(development: bool, err: TextIO) -> None:
    if development:
        print("Note: signed by this machine's own development authority; others will not trust it.", file=err)


def _complain(err: TextIO, message: str, code: int) -> int:
    plain = "".join(c if c.isprintable() else " " for c in message)  # file names may hold escape sequences
    print(f"demo: {' '.join(plain.split())}", file=err)
    return code


def _terminate(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt(number)
