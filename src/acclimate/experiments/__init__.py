"""Tables and measurements, each one Python function."""
