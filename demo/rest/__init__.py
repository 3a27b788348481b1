"""What programs may ask over HTTP: make a video, verify a file, examine one. Closed unless CANDOR_API_TOKEN is set.

`app` speaks HTTP, `making` is one video under way, `shelf` the folder that replicas share. docs/api.md has examples.
"""

from __future__ import annotations

import os

PREFIX = "/v1"
TOKEN = "CANDOR_API_TOKEN"  # what a caller shows as its bearer token; without it the doors are shut
MEDIA = "CANDOR_MEDIA"  # the folder of finished videos; several replicas may share it
FILES = frozenset({f"{PREFIX}/videos", f"{PREFIX}/verify", f"{PREFIX}/detect"})  # take files as their bodies
FORMS = frozenset({f"{PREFIX}/phrases"})  # take a little JSON


def token() -> str:
    """The bearer token, empty when there is none and no door."""
    return os.environ.get(TOKEN, "").strip()


def serves(method: str, path: str) -> bool:
    """Whether a request goes to one of these doors."""
    if not token():
        return False
    if method == "POST":
        return path in FILES or path in FORMS
    if method == "DELETE":
        return path.startswith(f"{PREFIX}/videos/")
    return method in ("GET", "HEAD") and (path == f"{PREFIX}/openapi.json" or path.startswith(f"{PREFIX}/videos/"))
