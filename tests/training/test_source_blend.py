"""Which source pictures take what from the target, by algorithm and augmentation."""

from types import SimpleNamespace

import pytest
import torch

from acclimate.core.types import Blend
from acclimate.data.augmentation import PRESETS
from acclimate.training.parts import make_algorithm, make_loader
from acclimate.training.settings import make_settings
from acclimate.training.task import open_task

FABRIC = SimpleNamespace(device=torch.device("cpu"), global_rank=0, world_size=1)


def blend_of(**chosen):
    settings = make_settings(source="digits", target="digits-m", batch_size=8, **chosen)
    task = open_task(settings)
    return make_loader(settings, task.source.train, task, make_algorithm(settings), FABRIC).blend


@pytest.mark.parametrize("augmentation", PRESETS)
def test_distances_go_with_inversion(augmentation):
    """A picture whose colours mean something is not turned into a difference of colours."""
    expected = Blend(0.3, 0.5) if PRESETS[augmentation][0].invert else Blend(0.3, 0.0)
    assert blend_of(augmentation=augmentation) == expected


def test_inversion_is_of_the_default_recipe():
    assert blend_of() == Blend(0.3, 0.5)


def test_methods_blend_only_where_they_say_so():
    assert blend_of(algorithm="dann") == Blend()
    assert blend_of(algorithm="dann+mcc") == Blend()


def test_a_combination_blends_as_its_parts_do():
    options = {"dann-self-training.blend": 0.1, "dann-self-training.difference": 0.25}
    assert blend_of(algorithm="mcc+best", algorithm_options=options) == Blend(0.1, 0.25)
