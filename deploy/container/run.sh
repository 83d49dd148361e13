#!/bin/sh
# Keeps a process of ours running, below an init that reaps: `tini -- run.sh [ROLE]` in a container.
#
#   up        dashboard, API and spawner in one (the default)
#   spawner   one host among others: it runs sessions, and has no pages (docs/scaling.md)
#   web       pages and API only
#
# Sessions are not children of the server: its death ends none of them, and the next one finds them
# again. A server that dies comes back after 1 s, and after up to 30 s while it keeps dying; one
# that has run for a minute counts as well again. SIGTERM and SIGINT end the server, then this.
set -u

longest_pause=30
well_after=60

say() { printf 'hiveweb container: %s\n' "$*" >&2; }

case $0 in
    */*) here=${0%/*} ;;
    *) here=. ;;
esac
root=$(cd "$here/../.." && pwd) || exit 1
python=$root/.venv/bin/python
manage=$root/manage.py
cd "$root" || exit 1

case ${1:-up} in
    up) set -- "$python" "$manage" hive up --no-sample ;;
    spawner) set -- "$python" "$manage" hive spawner ;;
    web) set -- "$python" -m daphne -b "${HIVE_HOST:-0.0.0.0}" -p "${HIVE_PORT:-8765}" hiveweb.asgi:application ;;
    *)
        say "there is no role $1; choose from up, spawner, web"
        exit 2
        ;;
esac

ending='' told='' server='' sleeper=''
end() {
    ending=1 told=1
    [ -z "$server" ] || kill -TERM "$server" 2>/dev/null
    [ -z "$sleeper" ] || kill -TERM "$sleeper" 2>/dev/null
}
trap end TERM INT

# Run the server, given as arguments, to its end and set `code`. A trapped signal interrupts `wait`, so it is repeated.
serve() {
    "$@" &
    server=$!
    [ -z "$ending" ] || kill -TERM "$server" 2>/dev/null # it was told before we knew whom to tell
    told=1
    while [ -n "$told" ]; do
        told=''
        wait "$server"
        code=$?
    done
    server=''
}

rest() {
    sleep "$1" &
    sleeper=$!
    [ -n "$ending" ] || wait "$sleeper"
    kill -TERM "$sleeper" 2>/dev/null
    sleeper=''
}

pause=1
while [ -z "$ending" ]; do
    begun=$(date +%s)
    serve "$@"
    [ -z "$ending" ] || break
    [ $(($(date +%s) - begun)) -lt "$well_after" ] || pause=1
    say "the server ended with code $code; sessions go on; starting it again in $pause s"
    rest "$pause"
    pause=$((pause * 2 < longest_pause ? pause * 2 : longest_pause))
done
say "stopped"
