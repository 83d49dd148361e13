"""The Model Context Protocol: what other agents may ask of sessions, over HTTP and plain TCP.

Tools and resources know no transport; only sdk.py imports the protocol's SDK, and it is imported
by the first request that needs it.
"""
