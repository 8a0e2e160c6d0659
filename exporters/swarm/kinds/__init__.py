"""One file per kind of thing that is shown: its metrics, and the samples that a view of it gives."""
