"""Networks by name. Adding one: its file, and one line here."""

from acclimate.models import backbone, compact_cnn, mlp, paper_cnns  # noqa: F401  (each registers its own)
from acclimate.models.network import Network, NetworkOptions, build_network, networks

__all__ = ["Network", "NetworkOptions", "build_network", "networks"]
