"""Finding items of the same identity: gallery search, its metrics, and clusters; no networks here."""
