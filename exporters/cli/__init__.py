"""Console scripts of the exporters: no logic, only wiring."""
