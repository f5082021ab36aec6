"""Networks: shapes, spectral norm, discrepancy, and saving themselves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from latentpath.errors import DataError, InputError, MissingDataError
from latentpath.models import (
    DCGAN,
    WAE,
    DCGANDiscriminator,
    DCGANGenerator,
    DigitClassifier,
    DigitPerceptron,
)
from latentpath.models.folders import read_model
from latentpath.models.networks.base import Pretrained
from latentpath.models.networks.wae import mmd
from latentpath.models.registry import WEIGHTS


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (64, 3)])
def test_architectures_have_the_shapes_they_promise(size: int, channels: int) -> None:
    generator = DCGANGenerator(latent_dim=5, width=4, size=size, channels=channels).eval()
    images = generator(torch.randn(3, 5)).detach()
    assert images.shape == (3, channels, size, size)
    assert float(images.abs().max()) <= 1
    assert DCGANDiscriminator(width=4, size=size, channels=channels)(images).shape == (3,)
    again = DCGANGenerator(**generator.config)
    assert [p.shape for p in again.parameters()] == [p.shape for p in generator.parameters()]


def test_other_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="side 28 or 64; got size=32"):
        DCGANGenerator(size=32)


def test_every_layer_of_the_discriminator_has_spectral_norm_one() -> None:
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator(width=4)
    for _ in range(100):  # the power iteration takes a step at each call in training mode
        discriminator(torch.randn(2, 1, 28, 28))
    for module in discriminator.eval().modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert float(torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (64, 3)])
def test_an_auto_encoder_has_the_shapes_it_promises(size: int, channels: int) -> None:
    network = WAE(latent_dim=5, width=4, size=size, channels=channels).eval()
    images = network(torch.randn(3, 5)).detach()
    assert images.shape == (3, channels, size, size)
    assert float(images.abs().max()) <= 1
    assert network.encoder(images).shape == (3, 5)
    assert network.encoder.features(images).shape == (3, 4 * size // 14 if size == 28 else 32)
    with pytest.raises(InputError, match="side 28 or 64; got size=32"):
        WAE(size=32)


def test_mmd_is_the_u_statistic_of_its_kernel() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(5, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)

    def k(a: Tensor, b: Tensor) -> float:
        scales = [s * 2 * 3 * 1.5 for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)]
        return sum(c / (c + float((a - b).square().sum())) for c in scales)

    within = [sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) for z in (x, y)]
    across = sum(k(a, b) for a in x for b in y)
    exact = within[0] / 20 + within[1] / 12 - 2 * across / 20
    assert float(mmd(x, y, 1.5)) == pytest.approx(exact, rel=1e-12)
    many = torch.stack([mmd(*torch.randn(2, 20, 3)) for _ in range(400)])
    assert abs(float(many.mean())) < 4 * float(many.std()) / 20  # unbiased: 0 on average, so below 0 as often as above
    x.requires_grad_()
    mmd(x, x.detach()[:4], 1.5).backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())
    with pytest.raises(InputError, match=r"at least two rows each; got \(1, 3\)"):
        mmd(x[:1], y)


NETWORKS = [
    DCGAN(latent_dim=4, width=2, discriminator_width=2, prior="semicircle"),
    WAE(latent_dim=4, width=2, size=28, channels=1),
    DCGANGenerator(latent_dim=4, width=2),
    DigitClassifier(width=2),
    DigitPerceptron(width=4),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_networks_save_and_load_themselves(tmp_path: Path, network: Pretrained) -> None:
    network.save_pretrained(tmp_path)
    before = torch.random.get_rng_state()
    again = type(network).from_pretrained(tmp_path)
    assert again.config == network.config
    assert not again.training
    assert all(
        torch.equal(a, b) for a, b in zip(again.state_dict().values(), network.state_dict().values(), strict=True)
    )
    torch.random.set_rng_state(before)
    model = read_model(tmp_path)
    assert torch.equal(before, torch.random.get_rng_state())  # reading does not draw
    named = network.config.get("prior")
    assert (model.prior is None) == (named is None)
    if named is not None:
        assert model.prior.event_shape == (4,)
        assert model.generator(model.prior.sample(torch.Size([2]))).shape == (2, 1, 28, 28)
    if isinstance(network, WAE):
        assert model.encode(torch.zeros(3, 1, 28, 28)).shape == (3, 4)
    elif isinstance(network, DCGAN):
        assert model.discriminator(torch.zeros(3, 1, 28, 28)).shape == (3,)
        with pytest.raises(InputError, match=r"has no encoder: find latents with latentpath\.invert"):
            model.encode(torch.zeros(3, 1, 28, 28))


def test_pickles_and_damaged_weights_are_refused(tmp_path: Path) -> None:
    NETWORKS[1].save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"model\.safetensors is damaged or holds the weights of another network"):
        WAE.from_pretrained(tmp_path)
    path.unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    for load_it in (WAE.from_pretrained, read_model):
        with pytest.raises(MissingDataError, match=r"pytorch_model\.bin is a pickle.*convert it"):
            load_it(tmp_path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"class": "Evil"}, "holds a Evil, not a DCGAN"),
        ({"width": -1}, "describes no DCGAN"),
        ({"width": "4"}, "describes no DCGAN"),
        ({"latent_dim": 10**12}, "describes no DCGAN"),
    ],
)
def test_a_configuration_that_is_nonsense_is_told_by_all_who_read_it(
    tmp_path: Path, edit: dict[str, Any], message: str
) -> None:
    DCGAN(latent_dim=4, width=2, discriminator_width=2).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **edit}))
    with pytest.raises(DataError, match=message):
        DCGAN.from_pretrained(tmp_path)
    with pytest.raises(DataError, match="does not hold a model that this version knows"):
        read_model(tmp_path)
    for text in ("{", "[]"):
        (tmp_path / "config.json").write_text(text)
        for reader in (DCGAN.from_pretrained, read_model):
            with pytest.raises(DataError, match=r"config\.json"):
                reader(tmp_path)


def test_from_pretrained_checks_the_card_too(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(WEIGHTS / "mnist-dcgan-normal", tmp_path / "copy"))
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(DataError, match="damaged or was changed: its SHA-256"):
        DCGAN.from_pretrained(folder)


def test_a_network_that_is_nowhere_is_told_as_by_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name, message in (("no/thing", "HF_HUB_OFFLINE is set"), ("a b/c", "has none of that name")):
        with pytest.raises(MissingDataError, match=f"{name} is no folder here, .*{message}"):
            WAE.from_pretrained(name)
    with pytest.raises(MissingDataError, match=r"is not a model: config\.json is not in it"):
        WAE.from_pretrained(tmp_path)
