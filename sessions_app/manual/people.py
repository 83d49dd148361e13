"""The manual's pages about who may come in."""

#: By verb.
PAGES = {
    "link": """\
usage: hive link [--user NAME]

Prints a link that signs one browser in to the dashboard, once, within 24 hours: as NAME, else as
the administrator `admin`. Whoever has no password yet, or forgot it, can then choose one.

  hive link
  hive link --user anna
""",
    "user": """\
usage: hive user create NAME [--role ROLE] [--others]
       hive user list
       hive user role NAME --role ROLE [--others]
       hive user disable NAME
       hive user enable NAME

People who may sign in. A new one gets a one-time link, and chooses a password there. A role that
is taken back, or a user who is disabled, is out within a second, their tokens too.

  --role ROLE     viewer: sees; operator (default): also creates sessions, and acts on their own;
                  administrator: everything
  --others        an operator who may also act on sessions of others, and clean up

  hive user create anna --role operator
  hive user list | jq -r '.users[] | "\\(.name) \\(.role)"'
""",
    "token": """\
usage: hive token create --name NAME [--role ROLE] [--expires TIME] [--others] [--user USER]
       hive token list
       hive token revoke NAME

Tokens of programs, sent as `Authorization: Bearer TOKEN`. A new one is printed this once; only its
hash is kept. Sessions that it creates belong to token:NAME, or to USER if it acts for one.

  --name NAME     what it is for
  --role ROLE     viewer, operator (default) or administrator
  --expires TIME  valid for so long: 90d, 12h; without it, until it is revoked
  --others        it may also act on sessions of others
  --user USER     it acts for a user, and may no more than they may

  hive token create --name rust --role operator --expires 90d
  hive token revoke rust
""",
    "audit": """\
usage: hive audit [--limit N] [--session ID] [--json]

Prints who did what, from where and by which token, oldest first: sessions created, started,
stopped, removed; sign-ins, failed ones too; users and tokens.

  --limit N       the newest N (default 100, at most 1,000)
  --session ID    only what was done to this session
  --json          one JSON object a line

  hive audit --limit 20
""",
}
