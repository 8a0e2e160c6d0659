"""The ground both halves stand on: settings, errors, logging, progress, clean stop."""

__version__ = "0.1.0"
