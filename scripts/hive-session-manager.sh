#!/bin/sh
# The session manager's command line, without Django: hive-session-manager.sh --help
# It asks the running server over its local socket; with none running it becomes manage.py hive.

case $0 in
    */*) self=$0 ;;
    *) self=./$0 ;;
esac
while [ -L "$self" ]; do
    link=$(readlink -- "$self")
    case $link in
        /*) self=$link ;;
        *) self=${self%/*}/$link ;;
    esac
done
root=${self%/*}/..

python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
    python=$(command -v python3) || {
        echo "hive: python3 is not installed, and $root/.venv is missing; run make install" >&2
        exit 1
    }
fi

exec "$python" -I -S -c \
    'import sys; sys.path.insert(0, sys.argv[1]); from sessions_app.client import main; main()' \
    "$root" "$@"
