"""People found again by other cameras: the re-identification table of the DANN paper."""
