"""The manual's pages about hosts."""

#: By verb.
PAGES = {
    "nodes": """\
usage: hive nodes [--json]

Prints the hosts that run sessions: state (active, draining, lost, left), slots taken, memory, when
each was heard of last, and the pools it serves. A host enters itself when `hive spawner` starts on
it with a DATABASE_URL of PostgreSQL; it is lost when it has been silent for longer than its
HIVE_LEASE, and has left when it was switched off with nothing to do, or is lost and was drained:
nobody need look after that. Where one host is all there is, there are none to print.

  --json          print all of it as one JSON object

  hive nodes
  hive nodes --json | jq -r '.nodes[] | select(.state == "lost").name'
""",
    "drain": """\
usage: hive drain HOST

Starts no further session on a host; those that run there go on to their ends, and those that wait
are run by other hosts of their pools. It stays so, whatever is restarted, until `hive uncordon`.
Prints the host as JSON; `taken` is what still runs there.

  hive drain host-2
  until [ "$(hive drain host-2 | jq .taken)" = 0 ]; do sleep 10; done   # then switch it off
""",
    "uncordon": """\
usage: hive uncordon HOST

Lets a drained host take sessions again. Prints the host as JSON.

  hive uncordon host-2
""",
    "forget": """\
usage: hive forget HOST

Removes a host that is gone for ever from `hive nodes`: one that is lost or has left, and has been
silent for longer than its lease. Its sessions stay in the list. Logs and outputs that were on its
own disks are gone with it, and whoever asks for them is told so; what is on shared storage is there
still.
Prints `{name, removed, sessions}` as JSON. A host that comes back after all enters itself again.

  hive forget host-2
""",
}
