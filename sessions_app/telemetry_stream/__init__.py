"""What the telemetry stream tells: subscriptions, shared readings, frames."""
