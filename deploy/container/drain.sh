#!/bin/sh
# Empty this host before its container ends: start nothing more on it, and wait for what runs.
#
#   drain.sh           drain, and wait until nothing runs here; for a preStop hook, which is cut
#                      short when the grace period is over
#   drain.sh --back    let it take sessions again, when it starts; a host that is new is none yet
#
# The pid namespace ends with the container, and all that still runs in it is killed.
set -u
here=$(cd "${0%/*}" && pwd) || exit 1
hive="$here/../../scripts/hive-session-manager.sh"
node=${HIVE_NODE:-$(hostname)}

if [ "${1:-}" = --back ]; then
    "$hive" uncordon "$node" >/dev/null 2>&1
    code=$?
    [ "$code" = 4 ] || exit "$code" # 4: no such host
    exit 0
fi

# PostgreSQL may be away just now: what cannot be asked may run still.
until "$hive" drain "$node" >/dev/null; do
    [ $? != 4 ] || exit 0
    sleep 5
done
while :; do
    left=$("$hive" nodes --json | jq -r --arg node "$node" '.nodes[] | select(.name == $node).taken')
    [ "$left" != 0 ] || exit 0
    printf 'drain: %s sessions run on %s still\n' "${left:-unknown}" "$node" >&2
    sleep 5
done
