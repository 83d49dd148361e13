#!/bin/sh
# Run a command in a container's file layout: /app, /workspace and /var/log/multi-agent in place.
#   unshare -m enter.sh APP WORKSPACE LOGS DIRECTORY COMMAND...
# A tmpfs of our own mount namespace becomes the root, with everything else bound into it, so that
# nothing on the machine is made or changed. DIRECTORY is where the command runs.
set -eu

app=$1 workspace=$2 logs=$3 directory=$4
shift 4

root=/mnt
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
for entry in /*; do
    if [ -L "$entry" ]; then
        cp -P "$entry" "$root$entry"
    elif [ -d "$entry" ] && [ "$entry" != "$root" ]; then
        mkdir "$root$entry"
        mount --rbind "$entry" "$root$entry"
    fi
done
mkdir -p "$root/app" "$root/workspace"
mount --rbind "$app" "$root/app"
mount --rbind "$workspace" "$root/workspace"
mount -t tmpfs -o mode=755 tmpfs "$root/var/log"
mkdir "$root/var/log/multi-agent"
mount --rbind "$logs" "$root/var/log/multi-agent"

# shellcheck disable=SC2016 # the inner shell expands these
exec /usr/sbin/chroot "$root" /bin/sh -c 'cd "$1"; shift; exec "$@"' sh "$directory" "$@"
