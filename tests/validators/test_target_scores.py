"""Scores of the target's outputs alone, and of circles and neighbours, against plain loops."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier

from acclimate.losses.maximum_mean_discrepancy import gaussian_kernel, maximum_mean_discrepancy
from acclimate.validators import Evidence, validators

MINE = (
    "bnm", "circular", "class-clustering", "class-silhouette", "consistency", "dev", "devn",
    "domain-classifier-error", "importance-weighted-accuracy", "knn", "mixval", "mmd",
    "nearest-source", "proxy-a-distance", "snd",
)  # fmt: skip


def random_evidence(sources=23, targets=17, classes=3, width=5, seed=0):
    random = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=random)

    labels = torch.randint(classes, (sources,), generator=random)
    return Evidence(
        draw(sources, width), draw(sources, classes), labels, draw(targets, width),
        2 * draw(targets, classes), torch.arange(targets), 2 * draw(targets, classes),
        2 * draw(targets, classes),
    )  # fmt: skip


@pytest.mark.parametrize("name", MINE)
@pytest.mark.parametrize("part", ["target_logits", "source_features", "target_features"])
def test_a_network_that_diverged_has_no_score(name, part, score):
    evidence = random_evidence()
    broken = getattr(evidence, part).clone()
    broken[3] = math.nan
    assert math.isnan(score(name, dataclasses.replace(evidence, **{part: broken})))


def test_the_quick_ones():
    quick = {name for name, each in validators.items() if each.at_every_checkpoint}
    assert quick & set(MINE) == {"bnm", "consistency", "mixval"}


def test_nuclear_norm(score):
    evidence = random_evidence()
    chances = evidence.target_logits.softmax(1).numpy()
    # pytorch-adapt's divides by the number of items alone
    expected = np.linalg.norm(chances, "nuc") / 17 * math.sqrt(17 / 3)
    assert score("bnm", evidence) == pytest.approx(expected, rel=1e-6)


def test_nuclear_norm_is_1_for_certain_and_even_predictions(score, blobs):
    assert score("bnm", scaled(blobs(), 50)) == pytest.approx(1)
    few = blobs(items=3, classes=5, width=5)
    assert score("bnm", scaled(few, 50)) == pytest.approx(1)
    one = blobs(classes=4)
    one = dataclasses.replace(one, target_logits=torch.eye(4)[torch.ones(60).long()] * 50)
    assert score("bnm", one) == pytest.approx(1 / math.sqrt(4))


def scaled(evidence, factor):
    return dataclasses.replace(evidence, target_logits=factor * evidence.target_logits)


def test_soft_neighbourhood_density(score):
    """The paper's entropy, as pytorch-adapt has it, in loops."""
    evidence = random_evidence()
    chances = evidence.target_logits.double().softmax(1).numpy()
    unit = chances / np.linalg.norm(chances, axis=1, keepdims=True)
    entropies = []
    for i in range(17):
        weights = np.array([math.exp(unit[i] @ unit[j] / 0.05) for j in range(17) if j != i])
        weights /= weights.sum()
        entropies.append(-(weights * np.log(weights)).sum())
    assert score("snd", evidence) == pytest.approx(np.mean(entropies) / math.log(16))


def test_dense_neighbourhoods_score_higher(score, blobs):
    """Of two classes, half of the others are neighbours: log 29 of log 59, at least."""
    certain = score("snd", scaled(blobs(classes=2), 10))
    assert certain == pytest.approx(math.log(29) / math.log(59), abs=1e-3)
    # every item on its own: predictions that are certain of a class of their own
    alone = dataclasses.replace(blobs(items=12), target_logits=50 * torch.eye(12))
    together = dataclasses.replace(
        blobs(items=12), target_logits=50 * torch.eye(12)[torch.arange(12) // 4]
    )
    noisy = dataclasses.replace(
        together, target_logits=together.target_logits + 30 * random_logits(12, 12)
    )
    assert score("snd", together) > score("snd", noisy)
    assert score("snd", alone) == pytest.approx(1)  # nobody is nearer than anybody: it misleads


def random_logits(items, classes):
    return torch.randn(items, classes, generator=torch.Generator().manual_seed(0))


def test_clusters_that_are_the_predicted_classes(score, blobs):
    assert score("class-clustering", blobs()) == pytest.approx(1)
    wrong = blobs(wrong=0.4)
    expected = adjusted_mutual_info_score(torch.arange(60) % 3, wrong.target_logits.argmax(1))
    assert score("class-clustering", wrong) == pytest.approx(expected)
    assert expected < 0.6
    unrelated = dataclasses.replace(blobs(items=300), target_logits=random_logits(300, 3))
    assert score("class-clustering", unrelated) == pytest.approx(0, abs=0.05)


def test_silhouette_in_loops(score, blobs):
    evidence = blobs(items=18, spread=0.8)
    points, cluster = evidence.target_features.double().numpy(), np.arange(18) % 3

    def mean_distance(i, k):
        members = [j for j in range(18) if cluster[j] == k and j != i]
        return np.mean([np.linalg.norm(points[i] - points[j]) for j in members])

    widths = []
    for i in range(18):
        own = mean_distance(i, cluster[i])
        other = min(mean_distance(i, k) for k in range(3) if k != cluster[i])
        widths.append((other - own) / max(own, other))
    assert score("class-silhouette", evidence) == pytest.approx(np.mean(widths))
    # the predictions are only where the clusters start
    mistaken = blobs(items=18, spread=0.8, wrong=0.2)
    assert score("class-silhouette", mistaken) == pytest.approx(np.mean(widths))


def test_separate_classes_score_higher_and_one_class_lowest(score, blobs):
    for name in ("class-silhouette", "class-clustering"):
        assert score(name, blobs(spread=0.2)) > score(name, blobs(spread=2.5)) + 0.2
    one = dataclasses.replace(blobs(), target_logits=torch.zeros(60, 3))
    assert score("class-silhouette", one) == -1
    # features that are all the same are in one cluster, as they are in one class
    same = dataclasses.replace(one, target_features=torch.zeros(60, 4))
    assert score("class-clustering", one) == score("class-clustering", same) == 0


def test_discrepancy_against_the_loss_and_in_loops(score):
    evidence = random_evidence()
    source, target = evidence.source_features.double(), evidence.target_features.double()
    kernel = gaussian_kernel(torch.cat([source, target]))
    loss = float(maximum_mean_discrepancy(kernel, len(source), unbiased=False))
    assert score("mmd", evidence) == pytest.approx(-loss)
    pooled = torch.cat([source, target]).numpy()
    squares = ((pooled[:, None] - pooled[None]) ** 2).sum(-1)
    width = squares.sum() / (40 * 39)
    sign = np.repeat([1 / 23, -1 / 17], [23, 17])
    total = np.mean([sign @ np.exp(-squares / (width * f)) @ sign for f in (0.25, 0.5, 1, 2, 4)])
    assert score("mmd", evidence) == pytest.approx(-total)


def test_discrepancy_of_equal_sets_and_of_far_ones(score, blobs):
    evidence = blobs()
    equal = dataclasses.replace(evidence, target_features=evidence.source_features)
    assert score("mmd", equal) == pytest.approx(0, abs=1e-12)
    ones = torch.ones(60, 4)
    still = dataclasses.replace(evidence, source_features=ones, target_features=ones)
    assert score("mmd", still) == 0
    shifts = [score("mmd", blobs(shift=shift)) for shift in (0.0, 0.5, 1.0, 3.0)]
    assert shifts == sorted(shifts, reverse=True)


def test_the_way_back(score, blobs):
    assert score("circular", blobs()) == 1
    permuted = dataclasses.replace(blobs(), target_logits=blobs().target_logits.roll(1, 1))
    assert score("circular", permuted) == 0
    assert 0.1 < score("circular", blobs(wrong=0.5)) < 0.9
    labels = torch.arange(60).clamp_max(2)  # 1, 1 and 58 of the three classes
    second = torch.eye(3)[torch.ones(60).long()]
    one = dataclasses.replace(blobs(), source_labels=labels, target_logits=second)
    assert score("circular", one) == pytest.approx(1 / 60)
    third = dataclasses.replace(one, target_logits=second.roll(1, 1))
    assert score("circular", third) == pytest.approx(58 / 60)
    # the third class is never predicted: its source items are taken for one of the others
    two = dataclasses.replace(
        blobs(), target_logits=blobs().target_logits * torch.tensor([1, 1, 0])
    )
    assert score("circular", two) == pytest.approx(2 / 3)


def test_nearest_source_in_loops(score):
    """pytorch-adapt's, with layer="features" and weighted=True."""
    evidence = random_evidence()
    features = evidence.source_features.numpy(), evidence.target_features.numpy()
    right = (evidence.source_logits.argmax(1) == evidence.source_labels).numpy()
    found = []
    for item in features[1]:
        cosines = [
            (item @ other) / np.linalg.norm(item) / np.linalg.norm(other) for other in features[0]
        ]
        found.append((right[int(np.argmax(cosines))], max(cosines)))
    largest = max(cosine for _, cosine in found)
    expected = np.mean([hit * max(0, cosine) / largest for hit, cosine in found])
    assert score("nearest-source", evidence) == pytest.approx(expected, rel=1e-5)


def test_nearest_source_ignores_what_no_target_item_is_near(score, blobs):
    evidence = blobs()
    only_first = torch.arange(60) % 3 == 0
    target = dataclasses.replace(
        evidence,
        target_features=evidence.target_features[only_first],
        target_logits=evidence.target_logits[only_first],
    )
    mistaken = target.source_logits.roll(1, 1)
    for wrong, low, high in ((only_first, 0, 0), (~only_first, 0.8, 1)):
        logits = torch.where(wrong[:, None], mistaken, target.source_logits)
        value = score("nearest-source", dataclasses.replace(target, source_logits=logits))
        assert low <= value <= high
    opposite = dataclasses.replace(
        target, source_features=torch.ones(60, 4), target_features=-torch.ones(20, 4)
    )
    assert score("nearest-source", opposite) == 0


@pytest.mark.parametrize("sources", [40, 6])
def test_neighbours_against_scikit_learn(score, sources):
    evidence = random_evidence(sources=sources)
    count = min(10, sources)
    vote = KNeighborsClassifier(count, metric="cosine")
    vote.fit(evidence.source_features.numpy(), evidence.source_labels.numpy())
    shares = vote.predict_proba(evidence.target_features.numpy())
    predicted = evidence.target_logits.argmax(1).numpy()
    column = np.searchsorted(vote.classes_, predicted)
    expected = shares[np.arange(17), column].mean()
    assert score("knn", evidence) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["knn", "class-clustering"])
def test_fewer_mistakes_score_higher(name, score, blobs):
    assert score(name, blobs()) > score(name, blobs(wrong=0.3)) > score(name, blobs(wrong=0.6))


def test_the_share_that_a_small_change_leaves(score):
    evidence = random_evidence()
    probed = torch.arange(16, 6, -1)
    changed = evidence.target_logits[probed].clone()
    changed[2:5] *= -1
    some = dataclasses.replace(evidence, probed=probed, changed_logits=changed)
    assert score("consistency", some) == pytest.approx(0.7)
    worse = dataclasses.replace(some, changed_logits=-changed)
    assert score("consistency", worse) == pytest.approx(0.3)


def test_mixed_inputs_in_loops(score):
    """skada's: the labels are mixed as the inputs are, and their largest is what is right."""
    evidence = random_evidence(targets=40)
    probed = torch.randperm(40, generator=torch.Generator().manual_seed(1))[:25]
    evidence = dataclasses.replace(evidence, probed=probed, mixed_logits=evidence.mixed_logits[:25])
    one_hot = np.eye(3)[evidence.target_logits.argmax(1)[probed]]
    hits = {True: [], False: []}
    for i in range(25):
        label = np.argmax(0.55 * one_hot[i] + 0.45 * one_hot[i - 1])
        same = bool((one_hot[i] == one_hot[i - 1]).all())
        hits[same].append(int(evidence.mixed_logits[i].argmax()) == label)
    expected = (np.mean(hits[True]) + np.mean(hits[False])) / 2
    assert score("mixval", evidence) == pytest.approx(expected)


def test_mixed_inputs_of_a_network_that_is_right_of_one_class_and_of_many(score):
    labels = torch.tensor([0, 0, 1, 2, 2, 1])
    logits = torch.eye(3)[labels]
    evidence = dataclasses.replace(
        random_evidence(), target_logits=logits, target_features=torch.zeros(6, 5),
        probed=torch.arange(6), changed_logits=logits, mixed_logits=0.55 * logits + 0.45 * logits.roll(1, 0),
    )  # fmt: skip
    assert score("mixval", evidence) == 1
    assert score("mixval", dataclasses.replace(evidence, mixed_logits=logits.roll(1, 0))) == 0.5
    one = torch.eye(3)[torch.zeros(6).long()]
    collapsed = dataclasses.replace(evidence, target_logits=one, mixed_logits=one)
    assert score("mixval", collapsed) == 0.5
    varied = torch.eye(6)
    varied = dataclasses.replace(evidence, target_logits=varied, mixed_logits=varied)
    assert score("mixval", varied) == 1
