"""The node's cache: files pulled on demand, and written through before a write is answered."""
