"""The engine: one step, one loop, one run."""
