"""Webhooks: telling other services, by signed requests, what happens to sessions."""
