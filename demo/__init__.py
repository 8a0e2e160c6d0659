"""`./run demo`: a person's first sight of Swarmstead, on real parts."""
