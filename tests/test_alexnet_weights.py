"""AlexNet's ImageNet weights: the conversion held to a plain PyTorch AlexNet, and every bad file refused."""

import os
import pickle
import zipfile

import keras
import numpy as np
import pytest
import torch

from kact.errors import KactError
from kact.models import AlexNet, alexnet_weights, build_model
from kact.storage.files import sha256

FULL = (64, 192, 384, 256, 256), (4096, 4096)  # 61,100,840 weights
NARROW = (4, 5, 6, 7, 8), (20, 10)


def plain_alexnet(maps, units):
    """AlexNet as PyTorch users write it, with torchvision's names."""
    nn = torch.nn
    net = nn.Module()
    net.features = nn.Sequential(
        nn.Conv2d(3, maps[0], 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(maps[0], maps[1], 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2),
        nn.Conv2d(maps[1], maps[2], 3, padding=1), nn.ReLU(),
        nn.Conv2d(maps[2], maps[3], 3, padding=1), nn.ReLU(),
        nn.Conv2d(maps[3], maps[4], 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2),
    )  # fmt: skip
    net.avgpool = nn.AdaptiveAvgPool2d((6, 6))
    net.classifier = nn.Sequential(
        nn.Dropout(0.5), nn.Linear(maps[4] * 6 * 6, units[0]), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(units[0], units[1]), nn.ReLU(), nn.Linear(units[1], 1000),
    )  # fmt: skip
    return net.eval()


def fill(net):
    """Give a network weights of a scale that keeps its logits about 1."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            fan_in = parameter[0].numel()
            scale = (2 / fan_in) ** 0.5 if parameter.ndim > 1 else 0.1
            parameter.copy_(torch.empty_like(parameter).uniform_(-1.7, 1.7, generator=generator) * scale)
    return net


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KACT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache" / "backbones").mkdir(parents=True)
    return tmp_path / "cache" / "backbones"


def small_state():
    """AlexNet's names with a few units each: what can be told without its 244 MB."""
    return fill(plain_alexnet(*NARROW)).state_dict()


def lay(cache, monkeypatch, state):
    """Save a made file under the original's name, and let its hash be the right one."""
    file = cache / "alexnet-owt-7be5be79.pth"
    torch.save(state, file)
    monkeypatch.setattr(alexnet_weights, "SHA256_PREFIX", sha256(file)[:8])
    return file


@pytest.mark.parametrize(("sizes", "side"), [(FULL, 224), (NARROW, 100)])
def test_logits_are_those_of_a_plain_pytorch_alexnet(sizes, side, tmp_path):
    plain = fill(plain_alexnet(*sizes))
    torch.save(plain.state_dict(), tmp_path / "made.pth")
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3)).astype("float32")
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    seen = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        maps = plain.avgpool(plain.features(seen))
        expected = plain.classifier(torch.flatten(maps, 1)).numpy()
    alexnet = AlexNet(filters=sizes[0], hidden_units=sizes[1])
    model = build_model(alexnet, (side, side, 3), 1000, mean=alexnet_weights.MEAN, std=alexnet_weights.STD)
    assert model.count_params() == sum(parameter.numel() for parameter in plain.parameters())
    for name, weights in alexnet_weights.convert(alexnet_weights.read_state(tmp_path / "made.pth")).items():
        model.get_layer(name).set_weights(weights)
    found = keras.ops.convert_to_numpy(model(images))
    assert 0.1 < expected.std() < 10
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_they_are_converted_once_and_a_damaged_copy_is_made_anew(cache, monkeypatch):
    file = lay(cache, monkeypatch, small_state())
    first = alexnet_weights.imagenet_weights()
    assert set(first) == set(alexnet_weights.LAYERS)
    monkeypatch.setattr(alexnet_weights, "read_state", lambda path: pytest.fail("converted again"))
    assert np.array_equal(alexnet_weights.imagenet_weights()["conv1"][0], first["conv1"][0])
    monkeypatch.undo()
    monkeypatch.setenv("KACT_CACHE_DIR", str(cache.parent))
    monkeypatch.setattr(alexnet_weights, "SHA256_PREFIX", sha256(file)[:8])
    converted = cache / "alexnet-owt-7be5be79.npz"
    content = bytearray(converted.read_bytes())
    content[len(content) // 2] ^= 255
    for damaged in (bytes(content), bytes(content[:100]), b""):
        converted.write_bytes(damaged)
        again = alexnet_weights.imagenet_weights()
        assert all(np.array_equal(a, b) for name in first for a, b in zip(first[name], again[name], strict=True))


def test_the_download_is_checked_and_kept(cache, monkeypatch, tmp_path):
    torch.save(small_state(), tmp_path / "made.pth")
    asked = []

    def bring(url, target, *, next_step, sha256_prefix):
        asked.append((url, sha256_prefix))
        target.write_bytes((tmp_path / "made.pth").read_bytes())

    monkeypatch.setattr(alexnet_weights, "SHA256_PREFIX", sha256(tmp_path / "made.pth")[:8])
    monkeypatch.setattr(alexnet_weights, "download", bring)
    for _ in range(2):
        alexnet_weights.imagenet_weights()
    assert asked == [("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", alexnet_weights.SHA256_PREFIX)]


def test_a_file_of_another_hash_is_refused_unread(cache, monkeypatch):
    torch.save(small_state(), cache / "alexnet-owt-7be5be79.pth")
    monkeypatch.setattr(alexnet_weights, "read_state", lambda path: pytest.fail("read in spite of its hash"))
    with pytest.raises(KactError, match=r"not the original: its SHA-256 begins with .*, not 7be5be79"):
        alexnet_weights.imagenet_weights()
    assert os.listdir(cache) == ["alexnet-owt-7be5be79.pth"]


class Malicious:
    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("form", ["zip", "bare pickle"])
def test_a_pickle_with_code_in_it_is_refused_and_nothing_is_run(cache, monkeypatch, tmp_path, form):
    Malicious.target = tmp_path / "it ran".replace(" ", "_")
    file = cache / "alexnet-owt-7be5be79.pth"
    if form == "zip":
        torch.save({"features.0.weight": Malicious()}, file)
    else:
        file.write_bytes(pickle.dumps(Malicious()))
    monkeypatch.setattr(alexnet_weights, "SHA256_PREFIX", sha256(file)[:8])  # even were its hash the right one
    with pytest.raises(KactError, match="cannot be read as weights alone") as caught:
        alexnet_weights.imagenet_weights()
    assert "Nothing of it was run" in caught.value.next_step
    assert not Malicious.target.exists() and not (cache / "alexnet-owt-7be5be79.npz").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other archive", "no tensors"])
def test_a_damaged_file_is_refused(cache, monkeypatch, damage):
    file = lay(cache, monkeypatch, small_state())
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-1000])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "text":
        file.write_bytes(b"<html>Not found</html>" * 50)
    elif damage == "other archive":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.txt", "text")
    else:
        torch.save([1, 2, 3], file)
    monkeypatch.setattr(alexnet_weights, "SHA256_PREFIX", sha256(file)[:8])
    with pytest.raises(KactError, match="cannot be read as weights alone"):
        alexnet_weights.imagenet_weights()


def test_a_truncated_download_has_another_hash(cache, monkeypatch):
    file = lay(cache, monkeypatch, small_state())
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(KactError, match="damaged or not the original"):
        alexnet_weights.imagenet_weights()


@pytest.mark.parametrize("change", [{"features.3.weight": None}, {"classifier.1.weight": torch.ones(4, 70)}])
def test_weights_of_another_network_are_refused(cache, monkeypatch, change):
    state = {name: value for name, value in (small_state() | change).items() if value is not None}
    lay(cache, monkeypatch, state)
    with pytest.raises(KactError, match=r"not those of torchvision's AlexNet: (features\.3|classifier\.1)"):
        alexnet_weights.imagenet_weights()


def test_without_a_network_two_lines_say_what_to_do(cache, monkeypatch):
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nothing answers; no request leaves the machine
    with pytest.raises(KactError, match=r"alexnet-owt-7be5be79\.pth cannot be fetched") as caught:
        alexnet_weights.imagenet_weights()
    assert str(cache) in caught.value.next_step and not os.listdir(cache)
