"""The manual's page about webhooks."""

#: By verb.
PAGES = {
    "webhook": """\
usage: hive webhook create URL [--event KIND]... [--owner NAME] [--description TEXT]
       hive webhook list
       hive webhook show|remove|on|off|rotate|test ID
       hive webhook deliveries ID [--failed]
       hive webhook replay ID (DELIVERY | --failed [--since TIME])

Webhooks: other services that are told of events by signed requests, which `hive up` sends.
`create` prints the webhook as JSON with its secret, which is shown this once.

  --event KIND    completed, failed, stalled, ...; several times, or with commas between them
                  (default: created, running, stalled, completed, failed)
  --owner NAME    only of sessions of this owner
  rotate          print a new secret; the old one signs too, for 24 hours
  test            send a ping, and tell how it went
  deliveries      print the newest 100 as JSON, with their attempts
  replay          send again what was sent, or all that failed: --since 2h, or since a time

A webhook that fails is tried again after 5 s, 30 s, 2, 10 and 30 min, then each hour. After three
days it is switched off. Private networks: HIVE_WEBHOOK_NETWORKS.

  hive webhook create https://ci.example/hooks/hive --event completed,failed
  hive webhook list | jq -r '.webhooks[] | "\\(.id) \\(.url) \\(.last_error)"'
""",
}
