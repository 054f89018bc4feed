"""Criteria: pure functions of tensors, one to a file. They never see a network."""
