"""Networks by name. Adding one: its file, and one line here."""

from acclimate.models import (  # noqa: F401  (each registers its own)
    backbone,
    compact_cnn,
    mlp,
    paper_cnns,
    strips_cnn,
)
from acclimate.models.network import Network, NetworkOptions, build_network, networks

__all__ = ["Network", "NetworkOptions", "build_network", "networks"]
