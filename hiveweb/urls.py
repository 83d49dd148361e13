"""Mounting only."""

urlpatterns: list[object] = []
