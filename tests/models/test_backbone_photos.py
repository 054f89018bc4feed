"""Two real files of ImageNet weights on real photos; skipped where they are not at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from acclimate.core.errors import ModelFileError
from acclimate.core.types import Spec
from acclimate.layers.batch_norm_statistics import re_estimate_batch_norm
from acclimate.models.backbone import Backbone

DATA = Path(os.environ.get("ACCLIMATE_DATA", "nowhere"))
FILES = {
    "tf_mobilenetv3_large_minimal_100": 1280,
    "squeezenet1_1": 512,
}
PHOTOS = DATA / "office_caltech10" / "amazon"
SIDE = 160  # both take it, and it takes half the time of 224

pytestmark = pytest.mark.skipif(
    not (DATA / "weights").is_dir() or not PHOTOS.is_dir(),
    reason="ACCLIMATE_DATA holds no weights or photos",
)


def options_of(name, **options):
    return Backbone(name=name, weights=str(DATA / "weights" / f"{name}.safetensors"), **options)


def photos(name, per_class=10):
    """(N, 3, SIDE, SIDE) as the weights expect them, and (N,) labels."""
    facts = options_of(name).input_facts()
    images, labels = [], []
    for label, folder in enumerate(sorted(PHOTOS.iterdir())):
        for path in sorted(folder.glob("*.jpg"))[:per_class]:
            with Image.open(path) as image:
                small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            images.append(torch.from_numpy(np.array(small)).permute(2, 0, 1) / 255)
            labels.append(label)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (facts.mean, facts.deviation))
    return (torch.stack(images) - mean) / deviation, np.array(labels)


@pytest.mark.parametrize("name", FILES)
def test_features_tell_classes_apart(name):
    """Ten classes, ten photos of each: chance is .10, random weights reach .5 and .6, these .97 and .92."""
    extractor, width = options_of(name).extractor(SIDE)
    assert width == FILES[name]
    images, labels = photos(name)
    features = torch.cat([extractor(part) for part in images.split(25)])
    assert features.shape == (100, width)
    assert features.isfinite().all()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    assert cross_val_score(model, features.numpy(), labels, cv=5).mean() > 0.85


@pytest.mark.parametrize(("name", "other"), [(a, b) for a in FILES for b in FILES if a != b])
def test_of_another_architecture(name, other):
    path = DATA / "weights" / f"{other}.safetensors"
    with pytest.raises(ModelFileError, match="another architecture"):
        Backbone(name=name, weights=str(path)).extractor(SIDE)


def test_folded_statistics_are_put_back():
    """As the weights' own notes measured it: evaluation stays, and training becomes usable."""
    name = "tf_mobilenetv3_large_minimal_100"
    network = options_of(name, batch_norm="batch").make(Spec((3, SIDE, SIDE), ("a", "b"))).eval()
    assert network.wants_statistics
    images, _ = photos(name, 4)
    with torch.no_grad():
        before = network(images).layers["backbone"]
        re_estimate_batch_norm(network, images.split(20))
        after = network(images).layers["backbone"]
        assert not network.wants_statistics
        trained = network.train()(images).layers["backbone"]
    torch.testing.assert_close(after, before, rtol=0, atol=1e-4 * float(before.abs().max()))
    assert torch.nn.functional.cosine_similarity(trained, before).mean() > 0.95
