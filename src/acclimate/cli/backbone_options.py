"""Options of ``acclimate fit`` for pretrained backbones; short for ``--network backbone --set network.…``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

BACKBONE = "Backbone (pictures)"

BackboneOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A pretrained network: any of timm, or AlexNet, ResNet, SqueezeNet of torchvision.",
        rich_help_panel=BACKBONE,
    ),
]

WeightsOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|hub|none",
        help="Its weights: a .safetensors file, downloaded, or random.",
        show_default="hub",
        rich_help_panel=BACKBONE,
    ),
]

FreezeOption = Annotated[
    str | None,
    typer.Option(
        metavar="none|backbone|N",
        help="backbone: features once, then heads in seconds; N: its first N stages stay as they are.",
        show_default="none",
        rich_help_panel=BACKBONE,
    ),
]

BatchNormOption = Annotated[
    str | None,
    typer.Option(
        help="frozen, batch, source, domain or re-estimated.",
        show_default="frozen; batch with --weights none",
        rich_help_panel=BACKBONE,
    ),
]

#: option of the command → option of the network
OF_NETWORK = {
    "backbone": "name",
    "weights": "weights",
    "freeze": "freeze",
    "batch_norm": "batch_norm",
}


def as_network(given: Mapping[str, Any], assigned: Mapping[str, Any]) -> dict[str, Any]:
    """What was ``given`` with these options said as ``network`` and ``network_options``.

    ``assigned``: options of the network from ``--set network.…``, which must not say them again.
    Raises ``ConfigurationError`` where they contradict each other.
    """
    from acclimate.core.errors import ConfigurationError

    own = {OF_NETWORK[name]: value for name, value in given.items() if name in OF_NETWORK}
    rest = {name: value for name, value in given.items() if name not in OF_NETWORK}
    if not own:
        return rest
    if str(own.get("freeze", "")).isdecimal():
        own["freeze"] = int(own["freeze"])
    if "name" not in own and rest.get("network") != "backbone" and "name" not in assigned:
        words = ", ".join(f"--{n.replace('_', '-')}" for n in OF_NETWORK if OF_NETWORK[n] in own)
        raise ConfigurationError(f"{words}: for a pretrained network; give --backbone NAME too")
    if rest.get("network") not in (None, "backbone"):
        raise ConfigurationError(
            f"--backbone {own.get('name')} and --network {rest['network']}: give one of the two"
        )
    twice = sorted(own.keys() & assigned.keys())
    if twice:
        raise ConfigurationError(f"--set network.{twice[0]}: is given by an option already")
    rest["network"] = "backbone"
    rest["network_options"] = {**rest.get("network_options", {}), **own}
    return rest
