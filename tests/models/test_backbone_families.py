"""One small member of every timm family: what we call features is what its own classifier sees."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from acclimate.models.backbone import Backbone
from acclimate.models.backbone_layers import leading_stages
from acclimate.models.files import host_tensors

CLASSES = 5
SIDE = 64
# the timm whose families these are; another one may have more
VERSION = "1.0.31"

# family: (member, width of its features)
FAMILIES = {
    "byobnet": ("test_byobnet", 256),
    "cait": ("cait_xxs24_224", 192),
    "coat": ("coat_tiny", 152),
    "convit": ("convit_tiny", 192),
    "convmixer": ("convmixer_768_32", 768),
    "convnext": ("test_convnext", 64),
    "cpubone": ("cpubone_nano", 1600),
    "crossvit": ("crossvit_tiny_240", 288),
    "csatv2": ("csatv2", 386),
    "cspnet": ("cs3darknet_focus_s", 512),
    "cspnext": ("cspnext_tiny", 384),
    "davit": ("davit_tiny", 768),
    "deit": ("deit_tiny_distilled_patch16_224", 192),
    "densenet": ("densenet121", 1024),
    "dla": ("dla46x_c", 256),
    "dpn": ("dpn48b", 832),
    "edgenext": ("edgenext_xx_small", 168),
    "efficientformer": ("efficientformer_l1", 448),
    "efficientformer_v2": ("efficientformerv2_s0", 176),
    "efficientnet": ("test_efficientnet", 256),
    "efficientvim": ("efficientvim_m1", 960),
    "efficientvit_mit": ("efficientvit_b0", 1280),
    "efficientvit_msra": ("efficientvit_m0", 192),
    "eva": ("vit_tiny_patch16_dinov3_qkvb", 192),
    "fasternet": ("fasternet_t0", 1280),
    "fastvit": ("fastvit_t8", 768),
    "focalnet": ("focalnet_tiny_srf", 768),
    "gcvit": ("gcvit_xxtiny", 512),
    "ghostnet": ("ghostnet_050", 1280),
    "hardcorenas": ("hardcorenas_b", 1280),
    "hgnet": ("hgnetv2_b0", 2048),
    "hiera": ("hiera_tiny_224", 768),
    "hieradet_sam2": ("sam2_hiera_tiny", 768),
    "hrnet": ("hrnet_w18_small", 2048),
    "iformer": ("iformer_t", 256),
    "inception_next": ("inception_next_atto", 960),
    "inception_v3": ("inception_v3", 2048),
    "lcnetv2": ("lcnetv2_small", 1280),
    "levit": ("levit_128s", 384),
    "lowformer": ("lowformer_b0", 1600),
    "mambaout": ("test_mambaout", 256),
    "maxxvit": ("test_maxvit", 128),
    "metaformer": ("poolformer_s12", 512),
    "mlp_mixer": ("resmlp_12_224", 384),
    "mobilenetv3": ("mobilenetv3_small_050", 1024),
    "mobilevit": ("mobilevit_xxs", 320),
    "mvitv2": ("mvitv2_tiny", 768),
    "nest": ("nest_tiny", 384),
    "nfnet": ("test_nfnet", 192),
    "pit": ("pit_ti_224", 256),
    "pvt_v2": ("pvt_v2_b0", 256),
    "rdnet": ("rdnet_tiny", 1040),
    "regnet": ("regnetx_002", 368),
    "repghost": ("repghostnet_050", 1280),
    "repvit": ("repvit_m1", 384),
    "res2net": ("res2next50", 2048),
    "resnest": ("resnest14d", 2048),
    "resnet": ("test_resnet", 96),
    "resnetv2": ("resnetv2_18", 512),
    "rexnet": ("rexnet_100", 1280),
    "selecsls": ("selecsls42", 1280),
    "senet": ("legacy_seresnet18", 512),
    "sequencer": ("sequencer2d_s", 384),
    "shvit": ("shvit_s1", 320),
    "sknet": ("skresnet18", 512),
    "starnet": ("starnet_s050", 128),
    "swiftformer": ("swiftformer_xs", 220),
    "swin_transformer": ("swin_tiny_patch4_window7_224", 768),
    "swin_transformer_v2": ("swinv2_tiny_window8_256", 768),
    "swin_transformer_v2_cr": ("swinv2_cr_tiny_224", 768),
    "tiny_vit": ("tiny_vit_5m_224", 320),
    "tnt": ("tnt_s_legacy_patch16_224", 384),
    "tresnet": ("tresnet_m", 2048),
    "twins": ("twins_svt_small", 512),
    "visformer": ("visformer_tiny", 384),
    "vision_transformer": ("test_vit", 64),
    "vision_transformer_hybrid": ("vit_tiny_r_s16_p8_224", 192),
    "vision_transformer_relpos": ("test_vit_relpos", 96),
    "vitamin": ("vitamin_small_224", 384),
    "volo": ("volo_d1_224", 384),
    "vovnet": ("ese_vovnet19b_slim_dw", 512),
    "xception": ("legacy_xception", 2048),
    "xception_aligned": ("xception41p", 2048),
    "xcit": ("xcit_nano_12_p8_224", 128),
}
# their smallest members have more than 30 million parameters, or need seconds for a picture
TOO_LARGE = {
    "beit", "byoanet", "deepseek_vit", "gemma4_vit", "inception_resnet_v2", "inception_v4",
    "mobilenetv5", "naflexvit", "nasnet", "nextvit", "pnasnet", "qwen3_vit", "vgg",
    "vision_transformer_sam",
}  # fmt: skip
SIDES = {"crossvit": 240, "efficientformer": 224, "inception_v3": 96}


POOL = torch.randn(1 << 18, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def quick_draws(monkeypatch):
    """Drawing weights takes most of the time: here they are copied from some drawn once."""

    @torch.no_grad()
    def draw(tensor, *arguments, **options):
        count = tensor.numel()
        pool = POOL.roll(count).repeat(-(-count // len(POOL)))[:count].view_as(tensor)
        incoming = max(count // len(tensor), 1) if tensor.ndim else 1
        return tensor.copy_(pool * incoming**-0.5)

    monkeypatch.setattr("timm.layers.weight_init._trunc_normal_", draw)
    for name in ("kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "trunc_normal_"):
        monkeypatch.setattr(nn.init, name, draw)


def make_whole(family, side=None):
    """timm's own model with a classifier; statistics as if it had seen pictures."""
    name, side = FAMILIES[family][0], side or SIDES.get(family, SIDE)
    facts = timm.get_pretrained_cfg(name)
    options = {}
    if facts.fixed_input_size and facts.input_size[-1] != side:
        options["img_size"] = side
    torch.manual_seed(0)
    whole = timm.create_model(name, num_classes=CLASSES, **options)
    for module in whole.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    for name, parameter in whole.named_parameters():
        if not parameter.any() and ("head" in name or "fc" in name):  # some classifiers begin at 0
            nn.init.normal_(parameter, 0, 0.1)
    return whole.eval().requires_grad_(False)


def classified(family, whole, features):
    """What the model's own classifier makes of ``features``."""
    head = whole.get_classifier()
    if isinstance(head, nn.ModuleList):  # one classifier for each branch, then their mean
        parts = features.split([one.in_features for one in head], dim=1)
        each = torch.stack([one(part) for one, part in zip(head, parts, strict=True)])
        if family == "efficientvim":  # with weights that are learnt
            return torch.einsum("h,hnk->nk", whole.weights.softmax(0), each)
        return each.mean(0)
    if family == "sequencer":
        head = head.fc
    if family in ("efficientvit_msra", "shvit"):  # BatchNorm stands within the classifier
        head = whole.head
    if isinstance(head, tuple):  # distilled: the mean of two classifiers
        return sum(one(features) for one in head) / len(head)
    if isinstance(head, nn.Conv2d):
        return head(features[:, :, None, None]).flatten(1)
    return head(features)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_classifier_sees_our_features(family, tmp_path):
    name, width = FAMILIES[family]
    if not timm.is_model(name):
        pytest.skip(f"this timm has no {name}")
    side = SIDES.get(family, SIDE)
    whole = make_whole(family)
    if family == "deit":  # it averages what two classifiers say of two tokens: make them one
        whole.head_dist.load_state_dict(whole.head.state_dict())
    save_file(host_tensors(whole), tmp_path / "whole.safetensors")
    options = Backbone(name=name, weights=str(tmp_path / "whole.safetensors"))
    extractor, found = options.extractor(side)
    assert found == extractor.width == width
    images = torch.randn(2, 3, side, side)
    with torch.no_grad():
        features, logits = extractor(images), whole(images)
    assert features.shape == (2, width)
    assert features.std() > 0
    assert logits.std() > 0
    if family == "volo":  # it adds the largest of what a second classifier says of every token
        tokens = whole.forward_features(images)[:, 1:]
        logits = logits - 0.5 * whole.aux_head(tokens).amax(1)
    ours = classified(family, whole, features)
    torch.testing.assert_close(ours, logits, rtol=0, atol=1e-5 * float(logits.abs().max()))
    stages = leading_stages(extractor.model)
    named = [parameter for stage in stages for parameter in stage]
    assert len(stages) > 1
    assert sorted(named) == sorted(n for n, _ in extractor.model.named_parameters())


def test_every_family_is_here():
    """Of the timm this was written with; a newer one may have more."""
    assert not FAMILIES.keys() & TOO_LARGE
    if timm.__version__ == VERSION:
        assert set(timm.list_modules()) == FAMILIES.keys() | TOO_LARGE
