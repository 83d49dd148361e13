"""The manual's page about moving to another database."""

#: By verb.
PAGES = {
    "migrate-database": """\
usage: hive migrate-database [--from FILE] [--to URL] [--dry-run] [--replace] [--json]

Copies this host's installation from SQLite to PostgreSQL: sessions, events, people, tokens,
webhooks, the audit trail, all there is. Ids stay, and so does the order of events. It is one
transaction: afterwards PostgreSQL has all of it, read again and compared, or what it had before.
The SQLite file is not changed: it is your way back. Beside it FILE.moved says where all went, and
keeps it from running on by mistake; who goes back removes that.

Stop the server and the spawner first; sessions go on. Nobody can write meanwhile. Then start them
with the new DATABASE_URL, with the same HIVE_STATE_DIR and HIVE_NODE: the sessions are this host's
(HIVE_NODE), and are adopted or ended as after any restart. docs/scaling.md goes through it.

  --from FILE     the SQLite file (default: that of the settings, or hiveweb.sqlite3 in
                  HIVE_STATE_DIR)
  --to URL        the target (default: DATABASE_URL). Others on this machine can read command
                  lines: a URL with a password belongs into the environment or hive.env. Not
                  through a connection pooler
  --dry-run       read and compare everything, and write nothing
  --replace       put U+FFFD in the place of what a text of PostgreSQL cannot hold: NUL and invalid
                  Unicode. Without it such rows are named, and nothing is copied
  --json          print the report as one JSON object: tables with their counts and checksums,
                  different rows, values that were refused or replaced

It can be run again: what is there and the same is left alone. Where the target has gone on (rows
that are different, or only there), nothing is copied, and they are named.

Exit code 0: all is there, verified; 1: PostgreSQL does not take a row; 3: somebody uses one of the
two, they have gone apart, or one is of another version; 75: one of them cannot be reached.

  export DATABASE_URL=postgres://hive:secret@db.example/hive
  hive migrate-database --dry-run
  hive migrate-database
""",
}
