"""What each protocol sets: named recipes that ``make_settings`` begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: the network of pictures of people, where nothing else is asked for
FOR_RETRIEVAL = "strips-cnn"

#: Ganin et al., JMLR 17(59), 2016, section 5.2.2. Not stated there: the number of epochs. Deviation:
#: the weights that are evaluated are a moving average of those that are trained; the training
#: itself is the paper's, and ``averaging=0`` evaluates its last weights
PAPER: Mapping[str, Any] = {
    "algorithm": "dann",
    "preprocessing": "mean",
    "augmentation": "none",
    "batch_size": 64,
    "epochs": 20,
    "optimiser": "sgd",
    "learning_rate": 0.01,
    "schedule": "paper",
    "momentum": 0.9,
    "averaging": 0.99,
    "network": "paper",
    "precision": "32",
}

#: for pretrained backbones: what the literature on photos trains with (batches of 32, SGD at 0.01 with the
#: paper's annealing, pretrained layers at a tenth of it), the fewest steps that serve small sets
PHOTOS: Mapping[str, Any] = {
    "network": "backbone",
    "preprocessing": "network",
    "augmentation": "crop-flip",
    "fit": "crop",
    "batch_size": 32,
    "steps": 1000,
    "optimiser": "sgd",
    "learning_rate": 0.01,
    "schedule": "paper",
    "weight_decay": 1e-3,
    "evaluations": 10,
    "log_every": 20,
}

#: the same for features that a frozen backbone made once
FROZEN: Mapping[str, Any] = {
    "augmentation": "none",
    "steps": 300,
    "optimiser": "adam",
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "weight_decay": 0.0,
}
#: and what adapts them where nothing else is asked for: a linear head on the features themselves
FROZEN_BEST: Mapping[str, Any] = {
    "algorithm": "shallow",
    "algorithm_options": {"adapter": "selective-pseudo-labels"},
    "network_options": {"bottleneck": 0},
}

#: for pictures of people: binomial deviance of pairs (Yi et al., 2014), statistics of BatchNorm and
#: means of cameras of the target's own, and an adversary that is kept small, since what tells two networks
#: of cameras apart is much of what tells people apart
RETRIEVAL: Mapping[str, Any] = {
    "algorithm": "dann+camera-centring",
    "algorithm_options": {"dann.weight": 0.1},
    "network": FOR_RETRIEVAL,
    "network_options": {"normalisation": "domain"},
    "preprocessing": "per-image",
    "augmentation": "people",
    "batch_size": 64,
    "steps": 1500,
    "optimiser": "sgd",
    "learning_rate": 0.03,
    "evaluations": 10,
    "log_every": 20,
}
#: Ganin et al., JMLR 17(59), 2016, section 5.3: rate 0.001 throughout, momentum 0.9, batches of 128 + 128,
#: 20,000 steps (50,000 for three of its eight pairs), mirror images
PAPER_RETRIEVAL: Mapping[str, Any] = {
    **PAPER,
    "network": FOR_RETRIEVAL,
    "augmentation": "crop-flip",
    "batch_size": 128,
    "epochs": None,
    "steps": 20_000,
    "learning_rate": 1e-3,
    "schedule": "constant",
}

PROTOCOLS: Mapping[str, Mapping[str, Any]] = {"default": {}, "paper": PAPER, "photos": PHOTOS}
OF_RETRIEVAL: Mapping[str, Mapping[str, Any]] = {
    "default": RETRIEVAL,
    "paper": PAPER_RETRIEVAL,
    "photos": {
        **PHOTOS,
        "algorithm": "dann+camera-centring",
        "algorithm_options": {"dann.weight": 0.1},
        "augmentation": "people",
        "fit": "squash",
    },
}
