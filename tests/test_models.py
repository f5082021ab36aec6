"""Architectures, the registry of shipped weights, and the measures of quality."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torchmetrics.image.kid import poly_mmd

import latentpath as lp
from latentpath.data import mnist, to_unit_range
from latentpath.errors import DataError, InputError, MissingDataError
from latentpath.models import (
    DCGAN,
    WAE,
    DCGANDiscriminator,
    DCGANGenerator,
    DigitClassifier,
    available,
    digit_classifier,
    load,
)
from latentpath.models.cards import make_card, table_of
from latentpath.models.files import as_stored
from latentpath.models.folders import as_model, read_model, write_model
from latentpath.models.metrics.frechet import frechet_distance, gaussian_frechet_distance
from latentpath.models.metrics.kernel import kernel_distance
from latentpath.models.metrics.nearest import nearest_distances
from latentpath.models.metrics.precision import precision_recall
from latentpath.models.metrics.quality import measure_classifier, measure_generator
from latentpath.models.model import Model
from latentpath.models.networks.base import Pretrained
from latentpath.models.networks.wae import mmd
from latentpath.models.prior_names import named_prior
from latentpath.models.registry import WEIGHTS
from latentpath.models.sampling import contact_sheet, draw

GENERATOR, JUDGE = "mnist-dcgan-semicircle", "mnist-classifier"


@pytest.fixture(scope="module")
def judge() -> DigitClassifier:
    return digit_classifier()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped generator's folder, to be damaged."""
    return Path(shutil.copytree(WEIGHTS / GENERATOR, tmp_path / GENERATOR))


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
    with pytest.raises(InputError, match="side 28 or 64, got size=32"):
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
    with pytest.raises(InputError, match="side 28 or 64, got size=32"):
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
    with pytest.raises(InputError, match=r"at least two rows each, got \(1, 3\)"):
        mmd(x[:1], y)


NETWORKS = [
    DCGAN(latent_dim=4, width=2, discriminator_width=2, prior="semicircle"),
    WAE(latent_dim=4, width=2, size=28, channels=1),
    DCGANGenerator(latent_dim=4, width=2),
    DigitClassifier(width=2),
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


def test_a_model_checks_its_parts() -> None:
    prior = lp.priors.standard_normal(2)
    with pytest.raises(InputError, match=r"over vectors \(D,\), its event shape is \(\)"):
        Model(lambda z: z, torch.distributions.Normal(0.0, 1.0))
    assert Model(lambda z: z, prior).value_range == (-1.0, 1.0)
    assert Model(lambda z: z, prior, lambda x: 2 * x).encode(torch.ones(700, 2)).sum() == 2800


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (torch.zeros(2, 3, 32, 32), r"does not take torch.float32 \(2, 3, 32, 32\)"),
        (torch.zeros(2, 1, 28, 28, dtype=torch.uint8), "does not take torch.uint8"),
        (torch.zeros(0, 1, 28, 28), r"must be a tensor \(N, ...\) with N > 0"),
    ],
)
def test_an_encoder_says_what_it_takes(data: Tensor, message: str) -> None:
    network = WAE(latent_dim=3, width=2, size=28, channels=1).eval()
    model = as_model(network, lp.priors.standard_normal(3), "auto", {})
    with pytest.raises(InputError, match=message):
        model.encode(data)
    odd = Model(lambda z: z, model.prior, lambda x: x.flatten(1))
    with pytest.raises(InputError, match=r"should give latents \(2, 3\), it gave \(2, 784\)"):
        odd.encode(torch.zeros(2, 1, 28, 28))


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


def test_a_prior_on_the_card_that_does_not_fit_the_network_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(WEIGHTS / "mnist-dcgan-normal", tmp_path / "copy"))
    card = json.loads((folder / "card.json").read_text())
    for dim, message in ((7, r"over vectors \(7,\), the network takes \(20,\)"), (float("inf"), "describes no prior")):
        (folder / "card.json").write_text(json.dumps({**card, "prior": {"name": "normal", "dim": dim}}))
        with pytest.raises(DataError, match=message):
            read_model(folder)


def test_a_network_that_is_nowhere_is_told_as_by_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name, message in (("no/thing", "HF_HUB_OFFLINE is set"), ("a b/c", "has none of that name")):
        with pytest.raises(MissingDataError, match=f"{name} is no folder here, .*{message}"):
            WAE.from_pretrained(name)
    with pytest.raises(MissingDataError, match=r"is not a model: config\.json is not in it"):
        WAE.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["mnist-dcgan-normal", "mnist-dcgan-semicircle"])
def test_the_shipped_generators_of_digits_make_all_of_them_confidently(judge: DigitClassifier, name: str) -> None:
    model = load(name)
    assert model.prior is not None
    latents = draw(model.prior, 5000, torch.Generator().manual_seed(11))
    with torch.no_grad():
        said = torch.cat([judge(model.generator(z)).softmax(1) for z in latents.split(500)])
    confidence, classes = said.max(1)
    shares = torch.bincount(classes, minlength=10) / 5000
    assert float(confidence.mean()) >= 0.95
    assert float(shares.min()) > 0.05
    assert float(shares.max()) < 0.17


def test_shipped_models_are_listed_and_small() -> None:
    assert {GENERATOR, JUDGE} <= set(available())
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file()) < 30e6


def test_the_table_in_the_docs_is_what_the_cards_say() -> None:
    page = (Path(__file__).parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    shown = page.split("<!-- models table: begin -->")[1].split("<!-- models table: end -->")[0]
    assert shown.strip() == table_of(load(name).card for name in available())
    assert len(shown.strip().splitlines()) == 2 + len(available())


@pytest.mark.parametrize("name", available())
def test_shipped_models_come_frozen_with_a_whole_card(name: str) -> None:
    import PIL.Image

    model = lp.load(name)
    assert isinstance(model, Model)
    assert not model.generator.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in model.generator.parameters())
    assert set(model.card) == {
        "name", "description", "licence", "date", "prior", "value_range", "data", "training", "seed", "steps",
        "minutes", "command", "software", "hardware", "quality", "architecture", "sha256",
    }  # fmt: skip
    assert model.card["name"] == name
    assert model.card["licence"] == "MIT" or "celeba" in name
    assert {"name", "split", "images", "source", "reference", "licence"} <= set(model.card["data"])
    assert model.card["command"].startswith("latentpath train ")
    assert (model.prior is None) == (name == JUDGE)
    assert name in repr(model)
    assert read_model(WEIGHTS / name).card == model.card
    if model.prior is not None:
        with PIL.Image.open(WEIGHTS / name / "samples.png") as picture:
            picture.verify()


@pytest.mark.parametrize("name", [name for name in available() if name != JUDGE])
def test_paths_of_every_shipped_model_are_no_dearer_than_the_straight_line(name: str) -> None:
    model = load(name)
    assert model.prior is not None
    start, end = draw(model.prior, 2, torch.Generator().manual_seed(0)).split(1)
    path = lp.interpolate(model.generator, model.prior, start, end, segments=12, tol=1e-2, max_evaluations=30)
    line = lp.audit(lp.lerp(start, end, 12), model.generator, lp.RealismIndex(model.prior, alpha=0.9))
    assert float(path.cost) <= float(line.cost)
    if model.encoder is not None:
        latents = model.encode(path.frames(3)[0])
        assert latents.shape == (3, *model.prior.event_shape)
        assert bool(latents.isfinite().all())
    if model.discriminator is not None:
        assert model.discriminator(path.frames(3)[0]).shape == (3,)


def test_the_shipped_generator_makes_digits_of_its_prior() -> None:
    model = load(GENERATOR)
    assert model.prior is not None
    assert model.prior.event_shape == (20,)
    latents = model.prior.sample(torch.Size([4]))
    torch.testing.assert_close(model.prior.log_prob(latents), lp.priors.semicircle(20).log_prob(latents))
    images = model.generator(latents)
    assert images.shape == (4, 1, 28, 28)
    low, high = model.card["value_range"]
    assert low <= float(images.min()) < -0.9
    assert 0.5 < float(images.max()) <= high
    alone = torch.cat([model.generator(latents[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(images, alone, rtol=0, atol=1e-5)  # in eval mode a point does not see its batch


def test_loading_twice_gives_two_models_alike() -> None:
    one, two = load(JUDGE).generator, load(JUDGE).generator
    assert one is not two
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize("name", ["mnist-dcgan-semicircl", "", "x"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=", ".join(available())) as caught:
        load(name)
    assert ("did you mean" in str(caught.value)) == (name not in ("", "x"))


def test_a_changed_bit_is_noticed(copy: Path) -> None:
    path = copy / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"its SHA-256 is [0-9a-f]{64}, its card says [0-9a-f]{64}"):
        read_model(copy)


def test_truncated_weights_and_missing_files_are_noticed(copy: Path) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match="SHA-256"):
        read_model(copy)
    path.unlink()
    with pytest.raises(MissingDataError, match=r"model\.safetensors is not in it$"):
        read_model(copy)
    (copy / "weights.pt").write_bytes(b"")
    with pytest.raises(MissingDataError, match=r"weights\.pt is a pickle, which can run any code"):
        read_model(copy)
    (copy / "config.json").unlink()
    with pytest.raises(MissingDataError, match=r"config\.json is not in it"):
        read_model(copy)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("card.json", lambda card: card.pop("sha256"), "is not the card of a model: it has no sha256"),
        ("card.json", lambda card: card.pop("prior"), "is not the card of a model: it has no prior"),
        ("card.json", lambda card: card["prior"].update(name="triangle"), "semicircle"),
        ("config.json", lambda config: config.update({"class": "Sequential"}), "'Sequential'"),
        ("config.json", lambda config: config.update(depth=3), "'depth'"),
        ("config.json", lambda config: config.pop("class"), "does not say what is in"),
    ],
)
def test_a_folder_that_says_too_little_or_nonsense_is_refused(
    copy: Path, file: str, change: object, message: str
) -> None:
    content = json.loads((copy / file).read_text())
    change(content)  # type: ignore[operator]
    (copy / file).write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        read_model(copy)
    (copy / file).write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        read_model(copy)
    (copy / file).write_text("[]")
    with pytest.raises(DataError, match="should hold a JSON object, it holds a list"):
        read_model(copy)


def test_weights_of_another_architecture_are_refused(copy: Path) -> None:
    import hashlib

    card = json.loads((copy / "card.json").read_text())
    for content in (save({"net.0.weight": torch.zeros(2)}), b"no safetensors"):
        (copy / "model.safetensors").write_bytes(content)
        card["sha256"] = hashlib.sha256(content).hexdigest()
        (copy / "card.json").write_text(json.dumps(card))
        with pytest.raises(DataError, match=r"does not fit config\.json beside it"):
            read_model(copy)


def tiny_card() -> dict[str, object]:
    return make_card(
        "tiny",
        "a tiny one",
        {"data": "mnist", "seed": 0},
        command="latentpath train dcgan",
        version="0",
        steps=1,
        seconds=6.0,
        images=5,
        value_range=(-1.0, 1.0),
        prior={"name": "normal", "dim": 4},
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_what_is_written_is_read(tmp_path: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = DCGANGenerator(latent_dim=4, width=2)
    network(torch.randn(8, 4))  # so that the batch statistics are not the initial ones
    write_model(tmp_path / "tiny", network.eval(), tiny_card(), dtype=dtype)
    model = read_model(tmp_path / "tiny")
    assert (model.name, model.card["minutes"]) == ("tiny", 0.1)
    assert model.prior is not None
    assert torch.equal(model.prior.mean, torch.zeros(4))
    network.load_state_dict(as_stored(network, dtype))
    latents = torch.randn(5, 4)
    assert torch.equal(model.generator(latents), network(latents))


def test_a_model_that_could_not_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got DCGANDiscriminator"):
        write_model(tmp_path / "x", DCGANDiscriminator(width=2), tiny_card())
    with pytest.raises(InputError, match="name and prior"):
        write_model(tmp_path / "x", DCGANGenerator(latent_dim=4, width=2), {"name": "x"})
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("data", "licence"), [("mnist", "MIT"), ("celeba", "For non-commercial research"), ("cats", "not stated")]
)
def test_a_card_names_the_terms_of_the_data(data: str, licence: str) -> None:
    about = {"data": data, "seed": 0}
    card = make_card("x", "", about, command="", version="", steps=1, seconds=0.0, images=7, value_range=None)
    assert card["licence"].startswith(licence)
    assert card["data"]["images"] == 7
    assert card["data"]["licence"]


def test_priors_by_name() -> None:
    assert torch.equal(named_prior("normal", 3).mean, torch.zeros(3))
    assert named_prior("semicircle", 5).event_shape == (5,)
    with pytest.raises(InputError, match="'cauchy'"):
        named_prior("cauchy", 3)


def test_drawing_repeats_itself_and_leaves_the_random_state_alone() -> None:
    prior = lp.priors.semicircle(3)
    before = torch.random.get_rng_state()
    one = draw(prior, 10, torch.Generator().manual_seed(5))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    assert torch.equal(one, draw(prior, 10, torch.Generator().manual_seed(5)))
    assert not torch.equal(one, draw(prior, 10, torch.Generator().manual_seed(6)))


def test_a_contact_sheet_has_each_image_in_its_place() -> None:
    import numpy as np

    values = torch.linspace(-1, 1, 6)
    images = values[:, None, None, None].expand(6, 3, 4, 5)
    pixels = np.asarray(contact_sheet(images, columns=3, zoom=2, gap=1))
    assert pixels.shape == (2 * (2 * 5 + 1), 2 * (3 * 6 + 1), 3)
    for i, value in enumerate(values.tolist()):
        top, left = 2 * (1 + 5 * (i // 3)), 2 * (1 + 6 * (i % 3))
        assert np.all(pixels[top : top + 8, left : left + 10] == round((value + 1) * 127.5))
    with pytest.raises(InputError, match=r"\(0, 1, 4, 4\)"):
        contact_sheet(torch.zeros(0, 1, 4, 4))


def test_frechet_distance_of_gaussians_in_closed_form() -> None:
    random = torch.Generator().manual_seed(0)
    a, b = (torch.rand(6, generator=random, dtype=torch.float64) + 0.1 for _ in range(2))
    mean = torch.randn(6, generator=random, dtype=torch.float64)
    turn, _ = torch.linalg.qr(torch.randn(6, 6, generator=random, dtype=torch.float64))
    # commuting covariances: |m|^2 + sum (sqrt(a) - sqrt(b))^2, in any rotated frame
    exact = float(mean.square().sum() + (a.sqrt() - b.sqrt()).square().sum())
    c1, c2 = turn * a @ turn.mT, turn * b @ turn.mT
    assert gaussian_frechet_distance(mean, c1, torch.zeros(6), c2) == pytest.approx(exact, rel=1e-12)
    # two by two, not commuting: tr (C1 C2)^(1/2) = sqrt(tr(C1 C2) + 2 sqrt(det(C1 C2)))
    c1 = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    c2 = torch.tensor([[1.0, -0.7], [-0.7, 3.0]], dtype=torch.float64)
    cross = ((c1 @ c2).trace() + 2 * (c1.det() * c2.det()).sqrt()).sqrt()
    exact = float(c1.trace() + c2.trace() - 2 * cross)
    zero = torch.zeros(2)
    assert gaussian_frechet_distance(zero, c1, zero, c2) == pytest.approx(exact, rel=1e-12)
    assert gaussian_frechet_distance(zero, c2, zero, c1) == pytest.approx(exact, rel=1e-12)


def test_frechet_distance_of_samples() -> None:
    random = torch.Generator().manual_seed(0)
    features = torch.randn(500, 4, generator=random)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features, features + 3) == pytest.approx(36, rel=1e-5)  # the same shape, moved
    flat = torch.cat([features[:, :2], torch.zeros(500, 2)], 1)  # singular covariance
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-9)
    with pytest.raises(InputError, match="at least two rows"):
        frechet_distance(features, features[:1])
    with pytest.raises(InputError, match=r"\(500, 3\)"):
        frechet_distance(features, features[:, :3])


def test_nearest_distances_are_exact_for_copies_and_right_for_others() -> None:
    random = torch.Generator().manual_seed(0)
    reference = torch.randn(700, 1, 6, 6, generator=random)
    images = torch.randn(600, 1, 6, 6, generator=random)
    found = nearest_distances(images, reference)
    torch.testing.assert_close(found, torch.cdist(images.flatten(1), reference.flatten(1)).amin(1))
    assert torch.equal(nearest_distances(reference[5:9], reference), torch.zeros(4))


class Recall(nn.Module):
    """A generator that has memorised ``images`` and gives them back by the first coordinate of the latent."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.register_buffer("images", images)

    def forward(self, latents: Tensor) -> Tensor:
        images: Tensor = self.images[(latents[:, 0] * len(self.images)).long()]  # type: ignore[index]
        return images


class KnownHead(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        code = ((features + 1) * 127.5).round()
        classes, sure = nn.functional.one_hot(code[:, 0].long(), 10), code[:, 1:2] / 250
        return torch.where(classes.bool(), sure, (1 - sure) / 9).log()


class Known(DigitClassifier):
    """A judge that reads the class from the first pixel, and its confidence from the second."""

    def __init__(self) -> None:
        super().__init__(width=1)
        self.head = KnownHead()  # type: ignore[assignment]

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def test_quality_of_a_generator_that_memorised_is_known_exactly() -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2000, 1, 4, 4), generator=random, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(2000) % 10
    images[:, 0, 0, 1] = torch.tensor([240, 140]).repeat(1000)  # even classes are sure: 0.96, and 0.56
    prior = torch.distributions.Independent(torch.distributions.Uniform(torch.zeros(2), torch.ones(2)), 1)
    model, judge = Model(Recall(to_unit_range(images)), prior, name="parrot"), Known()
    found = measure_generator(
        model, judge.features, images, images, judge=judge, judge_name="known", samples=2000, nearest_samples=100
    )
    assert found.class_shares is not None
    assert sum(found.class_shares) == pytest.approx(1, abs=1e-3)
    assert found.least_class_share == min(found.class_shares) > 0.07
    sure = sum(found.class_shares[::2])
    assert found.share_sure == pytest.approx(sure, abs=1e-3)
    assert found.mean_confidence == pytest.approx(0.96 * sure + 0.56 * (1 - sure), abs=1e-3)
    assert (found.test_mean_confidence, found.test_share_sure) == (0.76, 0.5)
    assert found.nearest_train == found.nearest_train_of_test == 0  # memorised, and here test is train
    assert (found.reference, found.frechet_floor, found.precision) == ("test", 0, 1)
    assert 0.6 < found.recall < 1  # of 2,000 draws of 2,000 some are missed
    assert found.reconstruction_error is None

    few = measure_generator(model, judge.features, images, images[:50], samples=1000, nearest_samples=100)
    assert (few.reference, few.judge, few.class_shares) == ("train", None, None)
    assert few.nearest_train_of_test == 0

    halves = Model(Recall(to_unit_range(images)), prior, lambda real: torch.zeros(len(real), 2), name="constant")
    found = measure_generator(halves, judge.features, images, images[:50], samples=1000, nearest_samples=100)
    exact = (to_unit_range(images[:50]) - to_unit_range(images[:1])).square().mean().sqrt()
    assert found.reconstruction_error == pytest.approx(float(exact), abs=1e-4)  # latent 0 is the first image
    with pytest.raises(InputError, match=r"'parrot' makes images \(1, 4, 4\), the data are \(1, 5, 5\)"):
        measure_generator(model, judge.features, torch.zeros(30, 1, 5, 5, dtype=torch.uint8), samples=100)
    with pytest.raises(InputError, match="has no prior"):
        measure_generator(load(JUDGE), judge.features, images)


def test_kernel_distance_by_hand_and_precision_and_recall_of_disjoint_and_nested_sets() -> None:
    random = torch.Generator().manual_seed(0)
    x, y = torch.randn(7, 4, generator=random), torch.randn(5, 4, generator=random) + 1

    def k(a: Tensor, b: Tensor) -> float:
        return (float((a.double() * b.double()).sum()) / 4 + 1) ** 3

    within = [sum(k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j) for z in (x, y)]
    exact = within[0] / 42 + within[1] / 20 - 2 * sum(k(a, b) for a in x for b in y) / 35
    assert kernel_distance(x, y) == pytest.approx(exact, rel=1e-12)
    many, others = torch.randn(60, 8, generator=random), torch.randn(60, 8, generator=random) + 0.3
    theirs = float(poly_mmd(many.double(), others.double()))
    assert kernel_distance(many, others) == pytest.approx(theirs, rel=1e-9)

    one = torch.rand(400, 2, generator=random)
    assert precision_recall(one, one) == (1, 1)
    assert precision_recall(one, one + 10) == (0, 0)
    part = one[one[:, 0] < 0.5]
    precision, recall = precision_recall(part, one)
    assert precision == 1
    assert len(part) / 400 <= recall <= len(part) / 400 + 0.1  # and what lies just beyond the edge
    with pytest.raises(InputError, match="more than 3 rows, got 3 and 400"):
        precision_recall(one[:3], one)


def test_the_shipped_generator_covers_all_digits_confidently(judge: DigitClassifier) -> None:
    model = load(GENERATOR)
    assert model.prior is not None
    with torch.no_grad():
        probabilities = judge(model.generator(draw(model.prior, 2000, torch.Generator().manual_seed(7)))).softmax(1)
    shares = torch.bincount(probabilities.argmax(1), minlength=10) / 2000
    confidence = float(probabilities.amax(1).mean())
    assert float(shares.min()) > 0.05
    assert float(shares.max()) < 0.17
    assert confidence > 0.9
    quality = model.card["quality"]
    assert confidence == pytest.approx(quality["mean_confidence"], abs=0.02)
    assert shares.tolist() == pytest.approx(quality["class_shares"], abs=0.035)
    assert quality["nearest_train"] > 0.8 * quality["nearest_train_of_test"]  # it does not memorise


def test_the_card_of_the_judge_promises_99_percent() -> None:
    assert load(JUDGE).card["quality"]["accuracy"] >= 0.99


@pytest.mark.data("mnist")
def test_the_judge_is_as_good_as_its_card_says(judge: DigitClassifier, data_folder: Path) -> None:
    images, labels = mnist("test", data_folder)
    found = measure_classifier(judge, to_unit_range(images), labels)
    quality = load(JUDGE).card["quality"]
    assert found.accuracy >= 0.99
    assert found.accuracy == pytest.approx(quality["accuracy"], abs=3e-4)
    assert found.mean_confidence == pytest.approx(quality["mean_confidence"], abs=1e-3)


def test_threads_that_draw_at_the_same_time_get_what_each_gets_alone() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from latentpath import RealismIndex
    from latentpath.models.sampling import draw

    prior = lp.priors.semicircle()

    def one(seed: int) -> torch.Tensor:
        if seed % 3 == 0:
            RealismIndex(prior, samples=100, seed=seed)  # which draws as well
        return draw(prior, 40, torch.Generator().manual_seed(seed))

    alone = [one(seed) for seed in range(40)]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(one, [*range(40)] * 5))
    assert torch.equal(torch.get_rng_state(), before)
    for i, latents in enumerate(together):
        assert torch.equal(latents, alone[i % 40])
