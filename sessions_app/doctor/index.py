"""index.json: missing, empty, damaged or edited."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sessions_app import bell, files, registry, stored
from sessions_app.conf import Conf
from sessions_app.doctor.findings import Examination, Finding, agree_in_time
from sessions_app.models import SessionEvent

#: The spawner writes it within 2 s of a change, up to a thousand sessions.
LAG = 2.5
#: It is read up to this size, which is that of two million sessions.
MAX_BYTES = 512 * 2**20


def check(examination: Examination) -> Iterator[Finding]:
    """Whether index.json says what the rows say."""
    conf = examination.conf
    wrong = difference(conf)
    if wrong and examination.served:
        bell.announce()
        agree_in_time(lambda: not difference(conf), LAG)
        wrong = difference(conf)
    if wrong:
        todo = "write it anew from the rows"
        yield Finding("index_json", str(conf.index_file), wrong, todo, lambda: _write(conf))


def _write(conf: Conf) -> str:
    registry.write_index(conf)
    return ""


def difference(conf: Conf) -> str:
    """What is wrong with index.json, in words; empty when nothing is.

    What has changed since it was written is not wrong: above a thousand sessions the spawner
    takes its time.
    """
    wanted: dict[str, Any] = json.loads(json.dumps(registry.registry()))["sessions"]
    try:
        with files.open_directory(conf.sessions_dir) as fd:
            content = stored.read_file(fd, conf.index_file.name, MAX_BYTES)
        written = conf.index_file.stat().st_mtime
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    try:
        found = json.loads(content)["sessions"]
        differ = {key for key in {*found, *wanted} if found.get(key) != wanted.get(key)}
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return "it is not what it should be" if content.strip() else "it is empty"
    changed = SessionEvent.objects.filter(at__gt=datetime.fromtimestamp(written, UTC))
    differ.difference_update(map(str, changed.values_list("session_id", flat=True).distinct()))
    if not differ:
        return ""
    return f"it differs from the rows in {len(differ):,} session(s), such as {_shown(differ)}"


def _shown(names: set[str]) -> str:
    return ", ".join(stored.shown(name) for name in sorted(names)[:3])
