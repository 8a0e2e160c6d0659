"""The ground both halves stand on: settings, errors, logging, progress, clean stop."""
