"""The doors over HTTP for programs: /v1/videos, /v1/verify, /v1/detect. A web application of its own (docs/api.md).

The consent gate is that of the page: `consent_step.read` turns the statement into an attestation, the record is signed
when the files have been read, and the seal takes a one-time token for exactly these two.
"""

from __future__ import annotations

import hmac
import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Body, Depends, FastAPI, File, Form, HTTPException, Request, Response, UploadFile
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from demo import consent_step, texts
from demo.errors import Busy, UsageError
from demo.guard import explain, outcome
from demo.rest import token
from demo.rest.making import Making, Order
from demo.rest.shelf import RECEIPT, VIDEO, Shelf
from demo.studio import Studio
from vasa_core.errors import CandorError
from vasa_core.types import Controls

Model = TypeVar("Model", bound=BaseModel)
MOST_UPLOAD = 100 << 20  # bytes; the Doorman refuses longer requests, this is for what it cannot see
DESCRIPTION = (
    "Makes talking videos under consent, verifies and examines files. Every call shows the installation's token as a "
    "bearer token. A video is asked for, then looked after under its id until it is done."
)
BEARER = HTTPBearer(auto_error=False)  # for the description; `known` looks for itself
A_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Statement(BaseModel):
    """What somebody states before a video may be made; the same questions as on the page."""

    model_config = ConfigDict(extra="forbid")

    basis: Literal["self", "written-consent", "public-domain", "synthetic"]
    subject: str = Field(max_length=200, description="who is shown")
    attester: str = Field("", max_length=200, description="who states it; not needed for the basis self")
    source: str = Field("", max_length=1000, description="where the picture is from, or where the written consent is")
    purpose: str = Field(max_length=1000)
    agreed: bool = Field(description="true: the statement and the terms of this basis were read and are confirmed")
    phrase_id: str = Field("", max_length=200, description="of POST /phrases, for the basis self")
    answer: str = Field("", max_length=200, description="the words of that phrase")


class Look(BaseModel):
    """Look and motion; everything has a neutral value."""

    model_config = ConfigDict(extra="forbid")

    fps: int = 40
    seed: int = 0
    gaze: tuple[float, float] = (0.0, 0.0)
    distance: float = 0.0
    emotion: dict[str, float] = Field(default_factory=dict)
    head_motion: float = 1.0
    mouth: float = 1.0
    blinks: float | None = None
    full_frame: bool = False
    badge: bool = True

    def controls(self) -> Controls:
        """Raises ControlError for what cannot be."""
        given = self.model_dump(exclude={"fps", "full_frame", "badge"})
        return Controls(**given)


class Phrase(BaseModel):
    """Words that whoever consents for themselves types. Good once, for half an hour."""

    phrase_id: str
    phrase: str
    expires_at: int


class Standing(BaseModel):
    """How a video stands. report: of a finished one; error, message: of one that failed."""

    id: str
    state: Literal["working", "done", "failed"]
    stage: str = ""
    done: float = 0.0
    left: float | None = None
    ahead: int = 0
    report: dict[str, Any] = Field(default_factory=dict)
    error: str = ""
    message: str = ""


def application(studio: Studio, shelf: Shelf) -> FastAPI:
    """The application; the Doorman stands before it."""

    def known(request: Request, _: Annotated[Any, Depends(BEARER)]) -> None:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token()}".encode()):
            raise HTTPException(401, "Show the token of this installation.", {"WWW-Authenticate": "Bearer"})

    app = FastAPI(title="Candor", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None)
    door: dict[str, Any] = {"dependencies": [Depends(known)]}

    @app.post("/phrases", tags=["consent"], **door)
    def phrases(language: Annotated[Literal["en", "fr"], Body(embed=True)] = "en") -> Phrase:
        """Words to be typed by who consents for themselves."""
        from safety.challenge import issue_challenge

        visitor = f"api-{secrets.token_hex(12)}"
        made = issue_challenge(studio.vault, visitor, language)
        return Phrase(phrase_id=f"{visitor}.{made.id}", phrase=made.phrase, expires_at=made.expires_at)

    @app.post("/videos", status_code=202, tags=["videos"], **door)
    async def begin(
        request: Request,
        photo: Annotated[UploadFile, File()],
        speech: Annotated[UploadFile, File()],
        consent: Annotated[str, Form(max_length=20_000, description="a Statement, as JSON")],
        look: Annotated[str, Form(max_length=20_000, description="a Look, as JSON")] = "{}",
        document: Annotated[UploadFile | None, File(description="the written permission")] = None,
    ) -> Standing:
        """Ask for a video. It is refused at once when the statement cannot stand."""
        with _in_their_language(request) as language:
            files = (photo, speech, document)
            return await run_in_threadpool(_begin, studio, shelf, files, consent, look, _address(request), language)

    @app.get("/videos/{name}", tags=["videos"], **door)
    def standing(request: Request, name: str) -> Standing:
        """How a video stands."""
        with _in_their_language(request):
            return Standing(id=name, **_state(shelf, name))

    @app.get("/videos/{name}/video", response_class=FileResponse, tags=["videos"], **door)
    def video(name: str) -> FileResponse:
        """The sealed video, byte for byte."""
        return FileResponse(_finished(shelf, name) / VIDEO, media_type="video/mp4", filename="candor.mp4")

    @app.get("/videos/{name}/receipt", response_class=FileResponse, tags=["videos"], **door)
    def receipt(name: str) -> FileResponse:
        """The receipt of the consent, the code that withdraws it included."""
        return FileResponse(_finished(shelf, name) / RECEIPT, media_type="application/json", filename="receipt.json")

    @app.delete("/videos/{name}", status_code=204, tags=["videos"], **door)
    def remove(name: str) -> Response:
        """Remove a video, or stop the work on it."""
        shelf.drop(_folder(shelf, name))
        return Response(status_code=204)

    @app.post("/verify", openapi_extra=A_FILE, tags=["files"], **door)
    async def verify(request: Request) -> dict[str, Any]:
        """What a video or picture carries: manifest, watermark, consent, log. The file is the body."""
        return await _read(studio, request, "verify", lambda path: studio.audit(path).to_dict())

    @app.post("/detect", openapi_extra=A_FILE, tags=["files"], **door)
    async def detect(request: Request) -> dict[str, Any]:
        """Whether a video looks generated, or that this cannot be told. The file is the body."""
        return await _read(studio, request, "detect", lambda path: studio.examine(path).to_dict())

    @app.exception_handler(CandorError)
    def plainly(request: Request, error: Exception) -> Response:
        with _in_their_language(request):
            said = {"error": outcome(error), "message": explain(error)}
        return JSONResponse(said, _status(error), {"Retry-After": "60"} if isinstance(error, Busy) else {})

    return app


def _status(error: Exception) -> int:
    from safety.errors import ConsentError

    return 403 if isinstance(error, ConsentError) else 429 if isinstance(error, Busy) else 422


def _begin(
    studio: Studio,
    shelf: Shelf,
    files: tuple[UploadFile, UploadFile, UploadFile | None],
    consent: str,
    look: str,
    who: str,
    language: str,
) -> Standing:
    """Read the forms, keep the files, start the work. Raises the families of what can be wrong with them."""
    photo, speech, document = files
    with texts.speaking(language):
        stated, wanted = _parsed(Statement, consent, "consent"), _parsed(Look, look, "look")
        controls = wanted.controls()
        folder = shelf.new()
        try:
            kept = [_kept(file, folder, stem) for file, stem in ((photo, "photo"), (speech, "speech"))]
            permission = _kept(document, folder, "document") if document is not None else None
            visitor, _, asked = stated.phrase_id.partition(".")
            attestation = consent_step.read(
                stated.basis,
                stated.subject,
                stated.attester,
                stated.source,
                stated.purpose,
                stated.agreed,
                stated.answer,
                asked or None,
                None,
                str(permission) if permission else None,
                visitor,
                hear=studio.hear,
            )
            if permission is not None:
                permission.unlink()
            studio.check_attestation(attestation)
            names = (photo.filename or "photo", speech.filename or "speech")
            paths = (kept[0], kept[1])
            order = Order(*paths, names, attestation, controls, wanted.fps, wanted.full_frame, wanted.badge, who)
            Making(studio, shelf, folder, order).start()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return Standing(id=folder.name, state="working", stage="waiting")


def _parsed(model: type[Model], text: str, field: str) -> Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()[:5])
        raise UsageError(f"The field {field} cannot be read ({wrong}). See /v1/openapi.json.") from None


def _kept(file: UploadFile, folder: Path, stem: str) -> Path:
    """The upload in the order's folder, byte for byte."""
    path = folder / f"{stem}{Path(file.filename or '').suffix.lower()[:8]}"
    with path.open("wb") as sink:
        shutil.copyfileobj(file.file, sink)
    return path


def _folder(shelf: Shelf, name: str) -> Path:
    folder = shelf.find(name)
    if folder is None:
        raise HTTPException(404, "There is no such video; finished ones are kept for an hour.")
    return folder


def _state(shelf: Shelf, name: str) -> dict[str, Any]:
    state = dict(shelf.state(_folder(shelf, name)))
    if state["state"] == "gone":
        raise HTTPException(404, "There is no such video; finished ones are kept for an hour.")
    return state


def _finished(shelf: Shelf, name: str) -> Path:
    if _state(shelf, name)["state"] != "done":
        raise HTTPException(409, "This video is not done. Ask for its state.")
    return _folder(shelf, name)


async def _read(studio: Studio, request: Request, kind: str, work: Any) -> dict[str, Any]:
    """What `work` says about the file in the body of a request."""
    studio.limits.check("examined", _address(request))
    problem: BaseException | None = None
    try:
        with tempfile.NamedTemporaryFile(prefix="candor-api-") as file:
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                if size > MOST_UPLOAD:
                    raise HTTPException(413, "The file is larger than 100 MB. Cut out the part in question.")
                file.write(chunk)
            file.flush()
            found: dict[str, Any] = await run_in_threadpool(work, Path(file.name))
            return json.loads(json.dumps(found, default=str))  # type: ignore[no-any-return]
    except Exception as error:
        problem = error
        raise
    finally:
        studio.metrics.readings.labels(kind, outcome(problem)).inc()


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


@contextmanager
def _in_their_language(request: Request) -> Iterator[str]:
    """Speak French to who would rather have it."""
    language = "fr" if request.headers.get("accept-language", "").lower().startswith("fr") else "en"
    with texts.speaking(language):
        yield language
