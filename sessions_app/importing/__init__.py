"""Taking over sessions that have no row: those of the shell script that this program replaces.

Only what is known is written down: what had ended keeps its state, all else is lost. Nothing is
ever started, and no path is taken from a file.
"""

from sessions_app.importing.first_start import first_start
from sessions_app.importing.taking import Taken, take_over

__all__ = ["Taken", "first_start", "take_over"]
