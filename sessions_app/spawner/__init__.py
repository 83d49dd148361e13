"""The spawner makes rows come true: it claims, launches, watches and settles sessions."""
