"""``hive migrate-database``: a SQLite installation's rows, copied to PostgreSQL and verified.

All in one transaction: afterwards the target has everything, or what it had before. Which tables
there are is derived from the models (tables.py), so none can be forgotten.
"""
