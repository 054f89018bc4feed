"""Backbones in training: how BatchNorm behaves, checkpointing, precision, the moving average."""

import copy
import pickle

import pytest
import timm
import torch
from backbones import CLASSES, build, draw, refused, trained, warm
from torch import nn

from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Spec
from acclimate.layers.averaging import averaged_copy, update_average
from acclimate.layers.batch_norm_statistics import re_estimate_batch_norm
from acclimate.layers.domain_norm import DomainBatchNorm, keep_domains_apart, use_statistics_of
from acclimate.layers.source_norm import SourceBatchNorm
from acclimate.layers.strided_convolution import SubsampledConvolution
from acclimate.models.backbone import Backbone

# -- BatchNorm ------------------------------------------------------------------------------------


def parted(network, count=2):
    keep_domains_apart(network, count)
    return network


def test_frozen_is_evaluation_for_good():
    network = warm(build(batch_norm="frozen"))
    images = draw()
    expected = network.eval()(images).layers["backbone"]
    before = copy.deepcopy(network.state_dict())
    found = network.train()(images).layers["backbone"]
    torch.testing.assert_close(found, expected)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    norms = {n for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert norms
    assert not {f"{n}.weight" for n in norms} & trained(network)
    assert network.backbone.model.training


def test_random_weights_are_not_frozen_unless_told():
    """Many residual branches begin with a scale of 0: frozen there, they would never learn."""
    scales = {n for n, m in build().named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert {f"{n}.weight" for n in scales} <= trained(build())
    assert not {f"{n}.weight" for n in scales} & trained(build(batch_norm="frozen"))


def test_batch_is_torchs_training():
    network = warm(build(batch_norm="batch")).train()
    model = copy.deepcopy(network.backbone.model).train()
    images = draw()
    torch.testing.assert_close(network(images).layers["backbone"], model(images))
    for key, value in network.backbone.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[key])


@pytest.mark.parametrize("name", ["test_resnet", "regnetx_002"])
def test_source_is_what_the_source_alone_would_be(name):
    """The source's rows do not notice the target, and a target of the same pictures gets the same."""
    network = parted(warm(build(name, batch_norm="source")), 4).double().train()
    plain = warm(build(name, batch_norm="batch")).double().train()
    # what there is in both, in the same order
    plain.load_state_dict(dict(zip(plain.state_dict(), network.state_dict().values(), strict=True)))
    images = draw(4).double()
    target = 3 * draw(3, seed=1).double() + 1
    found = network(torch.cat([images, target, images])).layers["backbone"]
    expected = plain(images).layers["backbone"]
    torch.testing.assert_close(found[:4], expected)
    torch.testing.assert_close(found[7:], expected)
    for mine, theirs in zip(
        network.state_dict().values(), plain.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", ["test_resnet", "regnetx_002", "levit_128s"])
def test_domain_is_each_domain_alone(name):
    """LeViT normalises tokens, several rows for each picture."""
    options = {"name": name, "spec": Spec((3, 64, 64), CLASSES), "bottleneck": 0}
    network = parted(build(**options, batch_norm="domain"), 3).double().train()
    plain = build(**options, batch_norm="batch").double().train()
    assert any(isinstance(m, DomainBatchNorm) for m in network.modules())
    assert not any(
        type(m) in (nn.BatchNorm1d, nn.BatchNorm2d) and m.affine for m in network.modules()
    )
    source, target = draw(3, 64).double(), 2 * draw(4, 64, seed=1).double() - 1
    found = network(torch.cat([source, target])).layers["backbone"]
    others = [copy.deepcopy(plain) for _ in range(2)]
    for other, part, rows in zip(others, (source, target), (found[:3], found[3:]), strict=True):
        torch.testing.assert_close(rows, other(part).layers["backbone"])
    for domain, other in enumerate(others):
        use_statistics_of(network, domain)
        expected = other.eval()(target).layers["backbone"]
        found = network.eval()(target).layers["backbone"]
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("mode", ["source", "domain", "batch", "re-estimated", "frozen"])
def test_every_mode_is_the_same_function_in_evaluation(mode, tmp_path):
    """With the same pretrained weights."""
    from safetensors.torch import save_file

    from acclimate.models.files import host_tensors

    torch.manual_seed(0)
    whole = warm(timm.create_model("test_resnet"))
    save_file(host_tensors(whole), tmp_path / "w.safetensors")
    network = build(weights=str(tmp_path / "w.safetensors"), batch_norm=mode).eval()
    expected = whole.eval().forward_head(whole.forward_features(draw()), pre_logits=True)
    torch.testing.assert_close(network(draw()).layers["backbone"], expected)


@pytest.mark.parametrize("mode", ["source", "domain", "re-estimated"])
def test_a_mode_that_would_change_nothing_is_refused(mode):
    refused("has no BatchNorm", name="test_vit", batch_norm=mode)


def test_frozen_stages_keep_their_batch_norm():
    network = build(freeze=2, batch_norm="domain")
    kinds = {n.split(".")[2] for n, m in network.named_modules() if isinstance(m, DomainBatchNorm)}
    assert kinds == {"layer2", "layer3", "layer4"}
    network = build(freeze=2, batch_norm="source")
    kinds = {n.split(".")[2] for n, m in network.named_modules() if isinstance(m, SourceBatchNorm)}
    assert kinds == {"layer2", "layer3", "layer4"}


# -- folded statistics ----------------------------------------------------------------------------


@pytest.fixture
def folded(tmp_path):
    """A file of weights whose BatchNorm is the identity, with the bias it had."""
    from safetensors.torch import save_file

    from acclimate.models.files import host_tensors

    torch.manual_seed(0)
    whole = timm.create_model("test_efficientnet")
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.fill_(2.25)
            module.weight.data.fill_((2.25 + module.eps) ** 0.5)
            nn.init.normal_(module.bias, 0.5, 0.5)
    path = tmp_path / "folded.safetensors"
    save_file(host_tensors(whole), path)
    return {"name": "test_efficientnet", "weights": str(path), "spec": Spec((3, 64, 64), CLASSES)}


@pytest.mark.parametrize("mode", ["batch", "source", "domain", "re-estimated"])
def test_folded_statistics_are_not_trained_with(folded, mode):
    network = parted(build(**folded, batch_norm=mode), 4)
    assert network.wants_statistics
    with pytest.raises(ConfigurationError, match="folded into them") as caught:
        network.train()
    assert "\n" not in str(caught.value)
    pictures = [2 * draw(8, 64, seed=number) + 0.5 for number in range(3)]
    images = pictures[0]
    expected = network.eval()(images).layers["backbone"]
    note = re_estimate_batch_norm(network, pictures)
    assert note == "BatchNorm statistics of 13 layers estimated from 24 pictures"
    scale = float(expected.detach().abs().max())
    found = network.eval()(images).layers["backbone"]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * scale)
    # in training it now is nearly the same function, where it would have been another
    now = network.train()(images).layers["backbone"]
    assert nn.functional.cosine_similarity(now, expected).min() > 0.8


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_folded_statistics_serve_where_they_stay(folded, freeze):
    network = build(**folded, freeze=freeze).train()
    assert not network.wants_statistics


def test_fresh_weights_want_no_statistics():
    assert not build(batch_norm="batch").wants_statistics
    assert build(batch_norm="re-estimated").wants_statistics


# -- memory, precision, copies --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "densenet121"])
@pytest.mark.parametrize("batch_norm", ["frozen", "batch"])
def test_gradient_checkpointing_changes_no_gradient(name, batch_norm):
    results = []
    for checkpointing in (False, True):
        network = build(
            name, Spec((3, 64, 64), CLASSES), batch_norm=batch_norm,
            gradient_checkpointing=checkpointing,
        ).train()  # fmt: skip
        network(draw(3, 64)).logits.square().sum().backward()
        results.append({n: p.grad for n, p in network.named_parameters() if p.requires_grad})
    assert results[0].keys() == results[1].keys()
    for key, gradient in results[0].items():
        torch.testing.assert_close(gradient, results[1][key], rtol=1e-4, atol=1e-6)


def test_gradient_checkpointing_computes_twice():
    calls = []
    network = build(gradient_checkpointing=True).train()
    network.backbone.model.layer2[0].conv1.register_forward_hook(lambda *a: calls.append(1))
    network(draw()).logits.sum().backward()
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["alexnet", "torchvision/resnet18", "convit_tiny"])
def test_no_gradient_checkpointing_to_be_had(name):
    refused(
        "no gradient checkpointing",
        name=name, spec=Spec((3, 64, 64), CLASSES), gradient_checkpointing=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("test_vit", "frozen"),
        ("resmlp_12_224", "frozen"),
        ("test_resnet", "frozen"),
        ("test_resnet", "source"),
        ("test_resnet", "domain"),
    ],
)
def test_half_precision(name, mode):
    network = parted(build(name, Spec((3, 64, 64), CLASSES), batch_norm=mode)).train()
    expected = network(draw(4, 64)).logits
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(draw(4, 64)).logits
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), expected, rtol=0.1, atol=0.1)
    logits.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("mode", ["frozen", "batch", "source", "domain"])
def test_the_moving_average(mode):
    network = parted(warm(build(batch_norm=mode))).train()
    average = averaged_copy(network)
    network(draw())
    update_average(average, network, 0.0, 5)
    network.eval()
    torch.testing.assert_close(average(draw()).logits, network(draw()).logits)
    assert not any(p.requires_grad for p in average.parameters())
    average.train().eval()


def test_a_network_is_picklable():
    network = build(batch_norm="domain").eval()
    again = pickle.loads(pickle.dumps(network))
    assert torch.equal(again(draw()).logits, network(draw()).logits)
    assert again.rate_share_of("backbone.model.x") == network.rate_share_of("backbone.model.x")


def test_a_stem_that_the_processor_cannot_train():
    """Its kernel would end the process, or give other gradients than those of the plain layout."""
    network = build("repvgg_a0", Spec((3, 64, 64), CLASSES), batch_norm="batch").train()
    mended = [m for m in network.modules() if isinstance(m, SubsampledConvolution)]
    assert [m.in_channels for m in mended] == [3]
    images = draw(2, 64)
    found = mended[0](images)
    reference = nn.functional.conv2d(
        images.contiguous(), mended[0].weight.clone(memory_format=torch.contiguous_format), None, 2
    )
    torch.testing.assert_close(found, reference)
    for _ in range(3):
        network(images).logits.sum().backward()


# -- the extractor --------------------------------------------------------------------------------


def test_the_extractor_is_still_and_without_gradient():
    options = Backbone(
        name="test_resnet", weights="none", batch_norm="domain", freeze=1, bottleneck=7
    )
    extractor, width = options.extractor(48)
    assert width == 96
    assert not any(p.requires_grad for p in extractor.parameters())
    assert not any(m.training for m in extractor.train().modules())
    images = draw(2, 48)
    features = extractor(images)
    assert not features.requires_grad
    model = extractor.model
    expected = model.forward_head(model.forward_features(images), pre_logits=True)
    assert torch.equal(features, expected)
