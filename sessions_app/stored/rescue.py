"""What a damaged session.json of the old script still tells beyond doubt."""

import re

_QUOTED = ("priority", "created", "updated", "status")


def rescue(content: bytes, notes: list[str]) -> dict[str, str]:
    """What is beyond doubt in a session.json that is no JSON.

    The old script put the task into it as it was, quotes and newlines included. Each of its keys
    stands on a line of its own, so a key that begins exactly one line is the script's, not the
    task's; and only if the file is there up to its end, or the script's own line may be missing.
    """
    text = content.decode("utf-8", "replace").strip()
    if not (text.startswith("{") and text.endswith("}")):
        notes.append("it breaks off, so nothing in it is sure")
        return {}
    found: dict[str, str] = {}
    places: dict[str, tuple[int, int]] = {}
    for key in ("task", *_QUOTED):
        lines = list(re.finditer(rf'^[ \t]*"{key}"[ \t]*:[ \t]*"', text, re.MULTILINE))
        if len(lines) > 1:
            notes.append(f"{key} may be one of several")
        elif lines:
            places[key] = lines[0].span()
    for key in _QUOTED:
        if key in places:
            line = text[places[key][1] :].split("\n", 1)[0].rstrip().removesuffix(",")
            if line.endswith('"') and '"' not in line[:-1] and "\\" not in line:
                found[key] = line[:-1]
    if "task" in places and "priority" in places:  # what follows it there is the next key
        task = text[places["task"][1] : places["priority"][0]].rstrip()
        if task.endswith('",'):
            found["task"] = task[:-2]
    return found
