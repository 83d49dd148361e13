"""Launchers start, adopt, signal and wait for commands. They know processes, not Django."""
