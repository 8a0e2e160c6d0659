"""Swarmkit's rules as pure functions over the engine's records: no socket, no clock."""
