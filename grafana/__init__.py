"""Grafana's dashboards: written in Python, so that all look and behave alike, and built as JSON."""
