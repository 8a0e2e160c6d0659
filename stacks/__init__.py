"""The stack files that a person deploys, and the tool that names their configs by content."""
