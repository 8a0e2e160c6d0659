"""Migrate: free a single-host app to run replicated on a Swarm."""
