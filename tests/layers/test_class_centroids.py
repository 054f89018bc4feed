"""Labels from running centroids against plain loops."""

import numpy as np
import torch

from acclimate.layers.class_centroids import RATE, ClassCentroids


def draw(number, items=20, width=6, classes=4):
    random = torch.Generator().manual_seed(number)
    features = torch.randn(items, width, generator=random) + 0.5
    return features, (3 * torch.randn(items, classes, generator=random)).softmax(1)


def by_hand(batches, classes=4, width=6):
    """The labels of the last batch; sums of all of them, the older the lighter."""
    soft, hard = np.zeros((classes, width)), np.zeros((classes, width))
    for features, probabilities in batches:
        units = [x / np.linalg.norm(x) for x in features.double().numpy()]

        def nearest(x, sums):
            cosines = [
                x @ each / np.linalg.norm(each) if np.any(each) else -np.inf for each in sums
            ]
            return int(np.argmax(cosines))

        soft, hard = (1 - RATE) * soft, (1 - RATE) * hard
        for x, weights in zip(units, probabilities.double().numpy(), strict=True):
            for k in range(classes):
                soft[k] += RATE * weights[k] * x / len(units)
        first = [nearest(x, soft) for x in units]
        for x, label in zip(units, first, strict=True):
            hard[label] += RATE * x / len(units)
        labels = [nearest(x, hard) for x in units]
    return first, labels


def test_labels_batch_by_batch():
    centroids, batches, differ = ClassCentroids(4, 6), [], False
    for number in range(5):
        batches.append(draw(number))
        first, expected = by_hand(batches)
        assert centroids(*batches[-1]).tolist() == expected
        differ |= first != expected
    # the second round matters
    assert differ


def test_in_evaluation_nothing_is_taken_up():
    centroids = ClassCentroids(4, 6)
    centroids(*draw(0))
    before = centroids.sums.clone()
    centroids.eval()(*draw(1))
    assert torch.equal(centroids.sums, before)


def test_a_class_without_items_attracts_none():
    """Also not features that point away from every centroid."""
    centroids = ClassCentroids(3, 2)
    probabilities = torch.tensor([[1.0, 0.0, 0.0]] * 4)
    centroids(torch.tensor([[1.0, 0.0]] * 4), probabilities)
    assert centroids.eval()(torch.tensor([[-1.0, 0.0]]), probabilities[:1]).tolist() == [0]


def test_double_and_bf16():
    features, probabilities = draw(0)
    expected = ClassCentroids(4, 6)(features, probabilities)
    double = ClassCentroids(4, 6).double()
    assert torch.equal(double(features.double(), probabilities.double()), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ClassCentroids(4, 6)(features, probabilities), expected)
