"""Values that are shown to nobody: kept in a box that prints as ``***``, or read when needed.

Standard library only: the follower of logs, which runs without Django, knows them too.
"""

from __future__ import annotations

import os

from sessions_app.errors import LaunchError

#: A secret of fewer bytes is not masked: too much else in a log would look like it.
MIN_BYTES = 8
#: A secret has at most this many bytes: a key in PEM has a few thousand.
MAX_BYTES = 16 * 1024
SHOWN = "***"


class Secret:
    """A text that no repr, message or page shows by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return SHOWN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


class SecretFile:
    """A secret that stands in a file, read at each launch: what Docker and systemd provide."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def reveal(self) -> str:
        """The file's text as it is now, without the newline at its end.

        Raises:
            LaunchError: it cannot be read or used; the message names the file only.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                content = os.read(fd, MAX_BYTES + 3)
            finally:
                os.close(fd)
        except OSError as error:
            raise LaunchError(
                f"cannot start: the secret file {self.path} cannot be read: {error.strerror}"
            ) from None
        text = os.fsdecode(content.removesuffix(b"\n").removesuffix(b"\r"))
        if b"\0" in content or too_short(text) or len(content) > MAX_BYTES + 2:
            raise LaunchError(
                f"cannot start: the secret file {self.path} must have {MIN_BYTES} to "
                f"{MAX_BYTES:,} bytes of text, not all the same: else it could not be masked"
            )
        return text

    def __repr__(self) -> str:
        return f"{SHOWN} in {self.path}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretFile) and other.path == self.path

    def __hash__(self) -> int:
        return hash((SecretFile, self.path))


def too_short(value: str) -> bool:
    """Whether a secret cannot be masked where it is printed."""
    return len(os.fsencode(value)) < MIN_BYTES or len(set(value)) < 2
