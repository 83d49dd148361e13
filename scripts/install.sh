#!/bin/sh
# Make .venv and install pinned dependencies into it: install.sh REQUIREMENTS STAMP
set -eu
python=${PYTHON:-python3}
say() { printf 'make install: %s\n' "$1" >&2; }

command -v "$python" >/dev/null || { say "$python is not installed; Python 3.11 or newer is needed"; exit 2; }
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "Python 3.11 or newer is needed, this is $("$python" -V 2>&1); use make PYTHON=python3.11 ..."
    exit 2
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    else
        say "Python's venv module is missing; run: apt-get install python3-venv"
        exit 2
    fi
fi
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    say "making the virtual environment .venv"
    "$python" -m venv --clear .venv
fi
say "installing $1 (once; later starts skip this)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1"
touch "$2"
