"""``python -m acclimate`` is the command ``acclimate``."""

from acclimate.cli.main import main

main()
