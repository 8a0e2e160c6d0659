"""Watch: Prometheus exporters of a small Docker Swarm and of the Traefik in front of it."""
