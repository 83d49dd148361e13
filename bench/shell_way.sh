#!/bin/bash
# Sessions as a script of bash, jq and flock keeps them: the yardstick of bench/drop_in.py.
# usage: shell_way.sh DIRECTORY create TASK | start ID
set -eu
sessions=$1
verb=$2

index() {
    (
        flock 9
        jq "$@" "$sessions/index.json" > "$sessions/index.new"
        mv "$sessions/index.new" "$sessions/index.json"
    ) 9> "$sessions/index.lock"
}

now() { date -u +%Y-%m-%dT%H:%M:%S+00:00; }

becomes() {
    local file=$sessions/$1/session.json at
    at=$(now)
    jq --arg status "$2" --arg at "$at" '.status = $status | .updated = $at' "$file" > "$file.new"
    mv "$file.new" "$file"
    index --arg id "$1" --arg status "$2" --arg at "$at" \
        '.sessions[$id].status = $status | .sessions[$id].updated = $at'
}

case $verb in
    create)
        id=$(cat /proc/sys/kernel/random/uuid)
        at=$(now)
        mkdir -p "$sessions/$id/.swarm" "$sessions/outputs/$id"
        ln -s "$sessions/outputs/$id" "$sessions/$id/output"
        jq -n --arg id "$id" --arg task "$3" --arg at "$at" --arg dir "$sessions/$id" \
            '{session_id: $id, task: $task, priority: "medium", created: $at, updated: $at,
              status: "created", working_dir: $dir, database: ($dir + "/.swarm/memory.db"),
              metadata: null}' > "$sessions/$id/session.json"
        index --arg id "$id" --arg task "$3" --arg at "$at" \
            '.sessions[$id] = {task: $task, status: "created", created: $at, updated: $at}'
        cat "$sessions/$id/session.json" >&2
        echo "$id"
        ;;
    start)
        [ "$(jq -r .status "$sessions/$3/session.json")" = created ]
        becomes "$3" starting
        becomes "$3" running
        (cd "$sessions/$3" && exec /bin/true) > "$sessions/$3.log" 2>&1
        becomes "$3" completed
        ;;
esac
