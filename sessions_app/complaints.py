"""Troubles that last (a full disk, a locked database), said once and not at each try."""

import logging


class Complaint:
    """One thing that is tried again and again."""

    def __init__(self, logger: logging.Logger, what: str) -> None:
        """``what``: what cannot be done, as the begin of a sentence."""
        self._logger = logger
        self._what = what
        self._said = ""

    def say(self, error: Exception) -> None:
        """It failed; say so, unless it was said of such an error already."""
        # two errors of a system call may differ in the name of a draft, and be the same
        known = str(error.errno) if isinstance(error, OSError) else str(error)
        if known != self._said:
            self._said = known
            said = " ".join(str(error).split())  # PostgreSQL's have several lines
            self._logger.warning("%s, trying again: %s", self._what, said)

    def over(self) -> None:
        """It worked; say so if it had failed."""
        if self._said:
            self._said = ""
            self._logger.warning("%s: that is over", self._what)
