"""Maps of PyTorch modules against Keras, against pytorch-grad-cam, and by hand."""

import cv2
import keras
import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret import (
    grad_cam,
    grad_cam_plus_plus,
    guided_grad_cam,
    hires_cam,
)
from deepfake_generalize.models import ARCHITECTURES, Detector, as_detector
from deepfake_generalize.types import MapView

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3), np.uint8)
SIDES = {"mesonet": 32, "mesoinception": 32, "shallownet": 28, "xception": 71}
VIEW = MapView("fake", None, None, 2)
DEEP = pytest.mark.nightly


def plain(torch, *end, inplace=False):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=inplace),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 2),
        *end,
    )


def wrapped(network, **options):
    options = {"logits": True, "column": 1, "size": 24, "name": "net"} | options
    return as_detector(network, **options)


def normed(maps):
    return maps / np.abs(maps).max(axis=(1, 2), keepdims=True)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("mesonet", 1),
        ("shallownet", 2),
        *(
            pytest.param(name, classes, marks=DEEP)
            for name in ARCHITECTURES
            for classes in (1, 2)
            if (name, classes) not in (("mesonet", 1), ("shallownet", 2))
        ),
    ],
)
def test_the_studys_networks_are_explained_as_in_keras(torch, name, classes):
    from benchmarks.pytorch_networks import Twin

    keras.utils.set_random_seed(3)
    side = SIDES.get(name, 64)
    model = ARCHITECTURES[name]((side, side, 3), classes=classes)
    ours = Detector(model, fake_index=classes - 1)
    theirs = as_detector(
        Twin(model),
        name=name,
        size=side,
        returns=("real", "fake")[classes - 1],
        column=None if classes == 1 else 1,
    )
    images = np.random.default_rng(1).integers(0, 256, (3, side, side, 3), np.uint8)
    np.testing.assert_allclose(theirs.scores(images), ours.scores(images), atol=1e-4)
    layers = [layer.name for layer in model.layers]
    last = [layer for layer in model.layers if "Conv2D" in type(layer).__name__][-1].name
    path = f"steps.{layers.index(last) - 1}"
    for target in ("fake", "real"):
        options = {"target": target, "relu": False}
        found = grad_cam(theirs, images, layer=path, **options)
        np.testing.assert_allclose(found, grad_cam(ours, images, layer=last, **options), atol=1e-4)
    found, expected = (
        each.guided_gradient(images, MapView("fake", None, None, 8)) for each in (theirs, ours)
    )
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("end", ["logits", "module", "function", "squeezed"])
def test_the_logit_is_found_however_the_module_ends(torch, end, inplace):
    network = plain(torch, inplace=inplace).eval()
    expected = grad_cam(wrapped(network), IMAGES, layer="1", relu=False)

    class Ends(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network
            self.softmax = torch.nn.Softmax(1)

        def forward(self, x):
            logits = self.net(x)
            if end == "module":
                return {"p": self.softmax(logits)}
            if end == "squeezed":
                return torch.sigmoid(logits[:, 1:] - logits[:, :1]).squeeze(1)
            return torch.softmax(logits, -1) if end == "function" else logits

    if end == "squeezed":  # One logit, the difference of both.
        with torch.no_grad():
            network[5].weight[0] = network[5].bias[0] = 0
        expected = grad_cam(wrapped(network), IMAGES, layer="1", relu=False)
    options = {} if end == "logits" else {"logits": False}
    options |= {"column": None} if end == "squeezed" else {}
    detector = wrapped(Ends(), **options)
    np.testing.assert_allclose(
        grad_cam(detector, IMAGES, layer="net.1", relu=False), expected, atol=1e-6
    )


def test_a_map_by_hand(torch):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 2, 1, bias=False),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(2, 1),
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0]])[..., None, None])
        network[3].weight.copy_(torch.tensor([[3.0, -2.0]]))
    signed = normed(3.0 * IMAGES[..., 0] - 2.0 * IMAGES[..., 1])
    for scale in ("unit", "uint8"):
        module = network if scale == "unit" else torch.nn.Sequential(as_floats(torch), *network)
        layer = "0" if scale == "unit" else "1"
        for returns, target, sign in [
            ("fake", "fake", 1),
            ("fake", "real", -1),
            ("real", "fake", -1),
        ]:
            detector = wrapped(module, column=None, returns=returns, scale=scale)
            found = grad_cam(detector, IMAGES, target=target, relu=False, layer=layer)
            np.testing.assert_allclose(found, sign * signed, atol=1e-5)
    # Each pixel's gradient is its channel's weight / 576 and the product is with the map.
    guided = guided_grad_cam(detector, IMAGES, layer="1", target="real")
    np.testing.assert_allclose(guided[..., 0] * -2, guided[..., 1] * 3, atol=1e-5)


def as_floats(torch):
    class Float(torch.nn.Module):
        def forward(self, x):
            assert x.dtype in (torch.uint8, torch.float32)
            return x.float() / 255

    return Float()


def test_the_module_is_left_as_it_was(torch):
    network = plain(torch).train()
    network[2].eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    detector = wrapped(network)
    grad_cam(detector, IMAGES, relu=False)
    guided_grad_cam(detector, IMAGES)
    assert torch.is_grad_enabled()
    assert [part.training for part in network] == [True, True, False, True, True, True]
    assert all(weights.grad is None for weights in network.parameters())
    assert not any(part._forward_hooks for part in network.modules())
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])


def test_half_precision_and_double_give_the_same_maps(torch):
    network = plain(torch).eval()
    expected = grad_cam(wrapped(network), IMAGES, relu=False)
    with torch.no_grad():
        network[5].weight *= 1e-3  # What a position gets of it is below what float16 can hold.
    for dtype, off in ((torch.float64, 1e-5), (torch.bfloat16, 0.1), (torch.float16, 0.05)):
        found = grad_cam(wrapped(network.to(dtype)), IMAGES, relu=False)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=off)
        network.float()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "nowhere"}, "path of a layer of 'net', received 'nowhere'; it has 0, 1, 2"),
        ({"layer": ""}, "path of a layer"),
        ({"layer": "5"}, r"tokens \(None, T, C\), received '5' with \(None, 2\)"),
        ({"target": "forged"}, "target to be one of"),
        ({"grid": (2, 0)}, r"grid as \(height, width\)"),
    ],
)
def test_calls_that_make_no_sense_are_refused(torch, options, message):
    with pytest.raises(InputError, match=message):
        grad_cam(wrapped(plain(torch)), IMAGES, **options)


def test_what_has_no_logit_or_no_gradient_is_refused(torch):
    class Odd(torch.nn.Module):
        def __init__(self, how):
            super().__init__()
            self.net, self.how, self.aside = plain(torch), how, torch.nn.Conv2d(6, 2, 3)

        def forward(self, x):
            if self.how == "twice":
                return self.net(x) + self.net(x)
            if self.how == "cut":
                return self.net(x).detach()
            if self.how == "beside":
                self.aside(self.net[0](x))
                return self.net(x)
            return self.net(x).sigmoid()[:, 1]

    with pytest.raises(InputError, match="ends in a sigmoid or a softmax, 'net' does not"):
        grad_cam(wrapped(Odd("sliced"), column=None, logits=False), IMAGES)
    with pytest.raises(InputError, match=r"used once, received 'net\.0', used 2 times"):
        grad_cam(wrapped(Odd("twice")), IMAGES)
    with pytest.raises(InputError, match=r"'net\.0', on which its verdict does not depend"):
        grad_cam(wrapped(Odd("cut")), IMAGES, layer="net.0")
    with pytest.raises(InputError, match=r"'aside', on which its verdict does not depend"):
        grad_cam(wrapped(Odd("beside")), IMAGES, layer="aside")
    with pytest.raises(InputError, match="'net' computes it by steps that have none"):
        wrapped(Odd("cut")).guided_gradient(IMAGES, MapView("fake", None, None, 4))
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(24 * 24 * 3, 2))
    with pytest.raises(InputError, match="a module with a convolution whose outputs"):
        grad_cam(wrapped(flat), IMAGES)


def test_a_gate_is_no_picture_and_fixed_batches_are_filled(torch):
    class Gated(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 1)
            self.head = torch.nn.Linear(4, 2)

        def forward(self, x):
            assert len(x) == 3
            x = self.conv(x)
            x = x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid()
            return self.head(x.mean((2, 3)))

    detector = wrapped(Gated(), batch_size=3)
    found = grad_cam(detector, IMAGES, relu=False)
    assert len(found) == len(guided_grad_cam(detector, IMAGES)) == 4
    np.testing.assert_array_equal(found, grad_cam(detector, IMAGES, relu=False, layer="conv"))


class Tokens:
    """A block of attention over 6x6 patches, which norms each head's keys, as some do."""

    def __new__(cls, torch, before, *, folded=False):
        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.patches, self.aside = torch.nn.Conv2d(3, 4, 4, 4), torch.nn.Conv2d(4, 2, 3)
                self.before = torch.nn.Parameter(torch.randn(1, before, 4))
                self.first, self.norm, self.last = (torch.nn.LayerNorm(4) for _ in range(3))
                self.keys, self.head = torch.nn.LayerNorm(2), torch.nn.Linear(4, 2)

            def forward(self, x):
                picture = self.patches(x)
                self.aside(picture)  # A second head, as for masks: no part of the verdict.
                places = picture.flatten(2).mT
                x = self.first(torch.cat([self.before.expand(len(x), -1, -1), places], 1))
                y = self.norm(x.flatten(0, 1).unsqueeze(1)).view_as(x) if folded else self.norm(x)
                y = self.keys(y.unflatten(2, (2, 2)).transpose(1, 2))
                y = (y @ y.mT).softmax(-1) @ y
                return self.head(self.last(x + y.transpose(1, 2).flatten(2))[:, 0])

        return Network()


def test_the_default_layer_is_one_that_the_verdict_is_read_from(torch):
    for before in (1, 2, 4, 5):  # A class token, one of distillation, four registers.
        detector = wrapped(Tokens(torch, before))
        found = grad_cam(detector, IMAGES, relu=False)
        expected = grad_cam(detector, IMAGES, relu=False, layer="norm", grid=(6, 6))
        np.testing.assert_array_equal(found, expected)
        assert found.any(axis=(1, 2)).all()
    other = wrapped(Tokens(torch, 3))
    with pytest.raises(InputError, match=r"grid at 'norm', received 39 of .*grid=\(height"):
        grad_cam(other, IMAGES)
    assert grad_cam(other, IMAGES, grid=(6, 6)).any()
    with pytest.raises(InputError, match=r"with \(None, 1, 4\), 148 of them for 4 images"):
        grad_cam(wrapped(Tokens(torch, 1, folded=True)), IMAGES, layer="norm")

    class Windows(torch.nn.Module):  # Channels last, as Swin has them; and a convolution aside.
        def __init__(self):
            super().__init__()
            self.cut, self.aside = torch.nn.Conv2d(3, 4, 4, 4), torch.nn.Conv2d(4, 2, 1)
            self.norms = torch.nn.Sequential(*(torch.nn.LayerNorm(4) for _ in range(3)))
            self.head = torch.nn.Linear(4, 2)
            self.few = False

        def forward(self, x):
            x = self.cut(x)
            self.aside(x)
            x = x.permute(0, 2, 3, 1)
            x = x if self.few else torch.tanh(self.norms(x))
            return self.head(x.mean((1, 2)))

    network = Windows()
    assert wrapped(network).weighted_maps(IMAGES, _nothing, VIEW)[1] == "norms.2"
    network.few = True
    assert wrapped(network).weighted_maps(IMAGES, _nothing, VIEW)[1] == "cut"


def _models(needed, name):
    if name == "resnet18":
        network = needed("torchvision").models.resnet18(weights=None, num_classes=2)
        return network, "layer4.1", None
    if name == "efficientnet_b0":
        network = needed("torchvision").models.efficientnet_b0(weights=None, num_classes=2)
        return network, "features.8", None
    if name == "torchvision-vit":
        network = needed("torchvision").models.VisionTransformer(32, 8, 3, 2, 24, 48, num_classes=2)
        return network, "encoder.layers.encoder_layer_2.ln_1", 4
    network = needed("timm").create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=3, num_classes=2,
        global_pool="avg" if name == "timm-avg" else "token", class_token=name != "timm-avg",
    )  # fmt: skip
    return network, f"blocks.2.norm{1 + (name == 'timm-avg')}", 4


KINDS = {grad_cam: "GradCAM", grad_cam_plus_plus: "GradCAMPlusPlus", hires_cam: "HiResCAM"}
NETWORKS = ["resnet18", "efficientnet_b0", "torchvision-vit", "timm-token", "timm-avg"]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_maps_are_those_of_pytorch_grad_cam(torch, needed, name):
    network, layer, side = _models(needed, name)
    for number, weights in enumerate(network.parameters()):
        if weights.dim() > 1:  # Heads of transformers begin as zeros.
            torch.nn.init.trunc_normal_(weights, std=0.1 + 0.001 * number)
    network.eval()
    detector = wrapped(network, size=32 if side else 64)
    images = np.random.default_rng(2).random((2, *detector.size, 3), np.float32)
    if side:
        assert detector.weighted_maps(images, _nothing, VIEW)[1] == layer
    explain = needed("pytorch_grad_cam")
    targets = [needed("pytorch_grad_cam.utils.model_targets").ClassifierOutputTarget(1)] * 2

    def reshaped(tokens):
        return tokens[:, -side * side :].unflatten(1, (side, side)).permute(0, 3, 1, 2)

    part = network.get_submodule(layer)
    for ours, kind in KINDS.items():
        method = getattr(explain, kind)
        with method(network, [part], reshape_transform=reshaped if side else None) as cam:
            cam(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), targets)
            seen = cam.activations_and_grads
            features, gradient = seen.activations[0].numpy(), seen.gradients[0].numpy()
            theirs = cam.get_cam_image(None, part, targets, features, gradient, None)
        big = np.stack([cv2.resize(raw, detector.size) for raw in theirs])
        found = ours(detector, images, layer=layer, relu=False)
        np.testing.assert_allclose(found, normed(big), atol=1e-5)


def _nothing(features, _, ops):
    return ops.across(features)


def test_guided_gradients_are_those_of_pytorch_grad_cam(torch, needed):
    guided = needed("pytorch_grad_cam.guided_backprop").GuidedBackpropReLUModel
    network = plain(torch).eval()
    found = wrapped(network).guided_gradient(IMAGES[:1], MapView("fake", None, None, 1))
    tensor = torch.from_numpy(IMAGES[:1] / np.float32(255)).permute(0, 3, 1, 2)
    theirs = guided(network)(tensor, target_category=1)
    np.testing.assert_allclose(found[0], theirs, atol=1e-6)
