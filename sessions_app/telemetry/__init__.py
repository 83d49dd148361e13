"""What is known of a session while it runs: what it uses, what its output and its swarm say.

Nothing here changes a session; its files and databases are only read, whatever state they are in.
"""
