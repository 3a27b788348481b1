#!/usr/bin/env bash
# Make .venv and put into it what is missing. Usage: scripts/setup.sh run | test
#   run    what the app needs
#   test   test tools, a Chromium browser and a PostgreSQL server as well
# Debian and Ubuntu libraries are installed when run as root; otherwise the one command to type is named.
# PYTHON=/path/to/python chooses the interpreter (3.11 or 3.12).
set -euo pipefail
cd "$(dirname "$0")/.."
profile="${1:-run}"
case "$profile" in
  run) requirements=requirements.txt ;;
  test) requirements=requirements-dev.txt ;;
  *) echo "usage: scripts/setup.sh run|test" >&2; exit 2 ;;
esac

say() { printf '%s\n' "$*" >&2; }
may_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
apt_install() {
  say "Installing Debian packages: $*"
  apt-get update -qq || say "apt-get update failed; trying with the lists at hand."
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# --- Python 3.11 or 3.12. An interpreter counts only if it runs: a pyenv shim can exist and still refuse.
suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; }
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3 python \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[12]*/bin/python; do
    if [ -n "$candidate" ] && suits "$candidate"; then printf '%s' "$candidate"; return 0; fi
  done
  return 1
}
make_venv() {
  local python version
  python="$(find_python)" || {
    if may_apt; then apt_install python3 python3-venv && python="$(find_python)"; fi
  } || true
  if [ -z "${python:-}" ]; then
    say "Python 3.11 or 3.12 is needed and neither was found."
    say "Install one (Debian 12, Ubuntu 24.04: sudo apt-get install -y python3 python3-venv), or name it: PYTHON=/path/to/python3.12 make run"
    exit 1
  fi
  if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
    version="$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')"
    if may_apt; then apt_install "$version-venv"; else
      say "$version cannot make virtual environments yet. Type: sudo apt-get install -y $version-venv"
      exit 1
    fi
  fi
  say "Making .venv with $("$python" --version)."
  rm -rf .venv
  "$python" -m venv .venv
}
[ -x .venv/bin/python ] && suits .venv/bin/python || make_venv

# --- Python packages; a stamp remembers what is already in place.
stamp=".venv/.installed-$profile"
wanted="$(.venv/bin/python - requirements.txt "$requirements" <<'PY'
import hashlib, sys
print(hashlib.sha256(sys.version.encode() + b"".join(open(p, "rb").read() for p in sys.argv[1:])).hexdigest())
PY
)"
fresh=no
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
  fresh=yes
  say "Installing Python packages from $requirements. The first time takes some minutes."
  # On Linux the default torch brings gigabytes of CUDA along; without an NVIDIA card PyTorch's own index has a small one.
  extra=()
  cpu_index=https://download.pytorch.org/whl/cpu
  if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null \
    && .venv/bin/python -c "import urllib.request as u; u.urlopen('$cpu_index/torch/', timeout=5)" >/dev/null 2>&1; then
    extra=(--extra-index-url "$cpu_index")
  fi
  .venv/bin/python -m pip install --quiet --disable-pip-version-check ${extra[@]+"${extra[@]}"} -r "$requirements"
fi

# --- Libraries outside Python (Debian and Ubuntu; elsewhere the import below tells).
missing=()
if [ "$(uname -s)" = Linux ]; then
  libraries="$( (ldconfig -p || /sbin/ldconfig -p) 2>/dev/null || true)"
  while read -r package; do
    case "$package" in
      libgl1) needs=libGL.so.1 ;;
      libglib2.0-0) needs=libgthread-2.0.so.0 ;;
      *) needs="" ;;
    esac
    if [ -n "$needs" ]; then
      case "$libraries" in *"$needs"*) ;; *) missing+=("$package") ;; esac
    elif ! command -v "$package" >/dev/null; then
      missing+=("$package")
    fi
  done <packages.txt
fi
if [ "${#missing[@]}" -gt 0 ]; then
  if may_apt; then apt_install "${missing[@]}"; else
    say "Missing outside Python: ${missing[*]}. On Debian or Ubuntu type: sudo apt-get install -y ${missing[*]}"
  fi
fi
if [ "$fresh" = yes ] && ! error="$(.venv/bin/python -c 'import cv2, mediapipe' 2>&1)"; then
  say "$(printf '%s' "$error" | tail -n 1)"
  say "A library outside Python is missing. On Debian or Ubuntu type: sudo apt-get install -y $(paste -sd' ' packages.txt)"
  exit 1
fi

printf '%s' "$wanted" >"$stamp"

# --- A browser for the tests.
if [ "$profile" = test ]; then
  has_browser() { [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null; }
  if ! has_browser && may_apt; then apt_install chromium || true; fi
  if ! has_browser; then
    say "The browser tests need Chromium. On Debian type: sudo apt-get install -y chromium   (elsewhere: set CHROMIUM=/path/to/chrome)"
    exit 1
  fi
  # --- A PostgreSQL server: the tests start a throw-away one. Without it they are skipped, except where CI=true.
  has_postgres() { command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
  if ! has_postgres && may_apt; then apt_install postgresql || true; fi
  if ! has_postgres; then
    say "The PostgreSQL tests will be skipped. On Debian type: sudo apt-get install -y postgresql"
  fi
fi
