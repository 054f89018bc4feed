"""Building blocks that networks and algorithms share."""
