"""What makes several hosts one installation: their rows, permits to launch, leases.

Only with PostgreSQL (``db.clustered``). What imports Procrastinate is imported late, so the
embedded default never loads it.
"""
