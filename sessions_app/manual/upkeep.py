"""The manual's pages about the queue, cleanups, the installation and its processes."""

#: By verb.
PAGES = {
    "performance": """\
usage: hive performance [--hours N] [--json]

Prints how the installation does: sessions by state now, and of those that ended in the last N
hours (24) their outcomes, how long they waited and ran, and what they used and cost.

  --json          print all of it as one JSON object (docs/telemetry.md)

  hive performance --hours 168
  hive performance --json | jq .cost_usd
""",
    "queue": """\
usage: hive queue

Prints one JSON object: how many slots there are and how many are taken, how many sessions wait,
why the next one does not start (`next`), and the profiles that are held because their account's
usage limit was reached (`holds`), each with the time of the reset.

  hive queue | jq -r .next
""",
    "unhold": """\
usage: hive unhold PROFILE

Lets sessions of a profile start again before the time that `hive queue` shows, for an account
whose usage limit was raised or reset early.

  hive unhold claude-flow
""",
    "pin": """\
usage: hive pin ID

Keeps a session, its log and its output from every cleanup until `hive unpin ID`.

  hive pin "$id"
""",
    "unpin": """\
usage: hive unpin ID

Lets cleanups remove a pinned session again.
""",
    "cleanup": """\
usage: hive cleanup [HOURS] [--orphans] [--dry-run]
       hive cleanup --retention [--orphans] [--dry-run]

Removes sessions that completed or failed at least HOURS ago (default 24; fractions allowed; 0:
all of them): directory, log and entry. Output directories stay. So does a session that is pinned,
or whose files could not be collected.

  --retention     instead of HOURS, what the settings say: sessions, logs and output directories,
                  each as long as HIVE_KEEP_SESSIONS, HIVE_KEEP_LOGS and HIVE_KEEP_OUTPUTS keep
                  it after the session's end
  --orphans       remove directories, logs and records that belong to no session and were not
                  touched for an hour; without it they are only listed. Alone, it removes nothing
                  else
  --dry-run       only tell what would be removed

Prints each thing and its bytes on standard error, and how many on standard output. It can be
interrupted at any time; the next one goes on.

  hive cleanup 48
  hive cleanup --retention --dry-run
""",
    "backup": """\
usage: hive backup FILE [--force]

Writes a copy of the database to FILE, as of one moment, while the server and sessions go on. The
copy is checked, and then put in place whole; only you can read it. To restore it, see
docs/operations.md.

  --force         replace FILE if it is there

  hive backup "/var/backups/hive-$(date +%F).sqlite3"
""",
    "init": """\
usage: hive init

Makes the workspace, log and state directories and index.json. Can be repeated.
""",
    "import": """\
usage: hive import [--dry-run] [WORKSPACE]

Takes over the sessions of the shell script that hiveweb replaces: those that completed or failed
keep their state, all others become `failed`, reason `lost`. Nothing is started. Stop the script's
runs first: they carry no mark, so a run that still lives cannot be told from one that is gone.
Sessions that are known already are left alone, so this can be repeated.

  WORKSPACE       an absolute path; without it, the workspace in the settings. From another one
                  the records are taken over, the files stay where they are
  --dry-run       only tell what would be imported

Prints each session, what of it could not be read, and what was skipped and why, on standard
error; how many on standard output. The first start on a workspace does the same by itself, and
keeps the old registry as index.json.before-hiveweb.

  hive import --dry-run
""",
    "doctor": """\
usage: hive doctor [--repair] [--json]
       hive doctor --locks [--json] [ID]

Looks for what is broken in this installation: the database and who locks it; full, read-only,
missing or open directories; session.json, index.json, logs and directories that do not agree with
the rows; sessions without a row; processes that outlived their session; ends in the future;
settings that cannot be used. Without --repair nothing is changed.

  --repair        mend what can be mended without guessing. Safe beside a running server
  --json          print {"problems": [{"code", "where", "what", "todo", "state"}], "left": N}
  --locks         instead: which processes have the databases of sessions (memory.db, hive.db) open,
                  or of this one, who has locked one or waits for it, and who does not belong there.
                  Looks only; takes two seconds where one is locked

Exit code 0 when nothing is wrong, or all of it was mended; 1 when something is left. With --locks:
1 when a process of another session or of none has one open, or one stays locked.

  hive doctor
  hive doctor --locks "$id"
  hive doctor --repair
""",
    "up": """\
usage: hive up [--host HOST] [--port PORT] [--socket PATH] [--server NAME] [--no-sample]

Runs everything in one process until it is interrupted; sessions go on without it.

  --host, --port  where to listen (HIVE_HOST, HIVE_PORT; default 127.0.0.1:8765). Everybody
                  who can reach it has to say who they are
  --socket PATH   the local socket of the command line (HIVE_SOCKET)
  --server NAME   the web server (HIVE_SERVER): daphne; or uvicorn, which answers more reads a
                  second, and has to be installed (make install-fast)
  --no-sample     do not run the sample session on an empty database

  manage.py hive up --port 9000
""",
    "spawner": """\
usage: hive spawner [--until-idle]

Runs the sessions that were started, without a web server.

  --until-idle    leave when nothing runs and nothing waits
""",
}
