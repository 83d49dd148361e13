#!/bin/sh
# Install the programs that tests use: by apt-get as root on Debian, else say what is missing.
set -eu
missing=""
for tool in jq curl lsof unzip unshare nsenter setsid setpriv mount ip openssl chromium redis-server redis-cli; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
for tool in cargo rustc rustfmt; do # on Debian its own, whatever else is on PATH
    if command -v apt-get >/dev/null; then tool=/usr/bin/$tool; fi
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null ||
    missing="$missing postgresql"
ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$missing libfaketime"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "make test: installing$missing" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        jq curl lsof unzip util-linux mount iproute2 openssl libfaketime chromium cargo rustc rustfmt \
        postgresql redis-server >/dev/null
    exit 0
fi
case " $missing " in *" chromium "*) .venv/bin/playwright install chromium ;; esac
others=$(printf '%s' "$missing" | sed 's/ chromium//')
[ -z "$others" ] || { echo "make test: please install$others" >&2; exit 2; }
