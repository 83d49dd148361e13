"""What Prometheus reads: /metrics. The client library is imported at the first scrape."""

from sessions_app.prometheus.view import metrics

__all__ = ["metrics"]
