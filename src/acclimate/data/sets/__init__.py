"""One short file per data set; ``acclimate.data`` imports each by name."""
