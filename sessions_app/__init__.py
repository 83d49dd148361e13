"""Sessions: one hive-mind run each, in a directory of its own."""
