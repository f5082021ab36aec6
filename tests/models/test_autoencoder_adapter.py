"""The adapter of diffusers autoencoders: decoding, encoding, scales, files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from adapter_examples import SHAPE, autoencoder
from diffusers import AutoencoderTiny
from torch import nn

from latentpath import adapters, priors
from latentpath.errors import InputError, MissingDataError


def test_an_autoencoder_decodes_and_encodes_as_diffusers_does() -> None:
    network = autoencoder(scaling_factor=0.5, shift_factor=0.25)
    z = torch.randn(2, 64)
    for model, raw in (
        (adapters.diffusers_autoencoder(network), z.reshape(2, *SHAPE) / 0.5 + 0.25),
        (adapters.diffusers_autoencoder(network, SHAPE, scaled=False), z.reshape(2, *SHAPE)),
    ):
        assert model.prior is not None
        assert model.prior.event_shape == (64,)
        images = model.generator(z)
        assert images.shape == (2, 3, 8, 8)
        torch.testing.assert_close(images, network.decode(raw).sample, rtol=0, atol=1e-5)
    mean = network.encode(images).latent_dist.mean
    torch.testing.assert_close(model.encode(images), mean.flatten(1), rtol=0, atol=1e-5)
    scaled = adapters.diffusers_autoencoder(network).encode(images)
    torch.testing.assert_close(scaled, ((mean - 0.25) * 0.5).flatten(1), rtol=0, atol=1e-5)


def test_scales_of_every_channel_are_undone_by_each_other() -> None:
    network = autoencoder(latents_mean=[1.0, 2.0, 3.0, 4.0], latents_std=[0.5, 1.0, 2.0, 4.0], scaling_factor=2.0)
    model, z = adapters.diffusers_autoencoder(network), torch.randn(1, 64)
    column = torch.tensor([0.5, 1.0, 2.0, 4.0]).reshape(4, 1, 1)
    raw = z.reshape(1, *SHAPE) * column / 2 + torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1)
    torch.testing.assert_close(model.generator(z), network.decode(raw).sample, rtol=0, atol=1e-5)
    images = torch.rand(1, 3, 8, 8)
    back = model.encode(images).reshape(1, *SHAPE) * column / 2 + torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1)
    torch.testing.assert_close(back, network.encode(images).latent_dist.mean, rtol=1e-4, atol=1e-5)


def test_an_autoencoder_without_a_posterior_works_too() -> None:
    network = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    ).eval()
    model, images = adapters.diffusers_autoencoder(network, SHAPE), torch.rand(2, 3, 8, 8)
    latents = model.encode(images)
    torch.testing.assert_close(latents, network.encode(images).latents.flatten(1))
    torch.testing.assert_close(model.generator(latents), network.decode(network.encode(images).latents).sample)
    with pytest.raises(InputError, match="does not say how large its latents are: give latent_shape"):
        adapters.diffusers_autoencoder(network)


def test_shapes_of_an_autoencoder_that_do_not_fit_are_refused() -> None:
    network = autoencoder()
    for shape in ((3, 4, 4), (4, 4), (4, 0, 4), (4, 4.0, 4), (4, 4, 4, 4)):
        with pytest.raises(InputError, match=r"latent_shape.*\(C, h, w\)"):
            adapters.diffusers_autoencoder(network, shape)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"prior must be over vectors \(64,\), C h w = \(4, 4, 4\); got \(9,\)"):
        adapters.diffusers_autoencoder(network, prior=priors.standard_normal(9))
    model = adapters.diffusers_autoencoder(network, SHAPE)
    with pytest.raises(InputError, match=r"images \(3, 16, 16\) have latents \(4, 8, 8\).*resize the images"):
        model.encode(torch.zeros(1, 3, 16, 16))
    with pytest.raises(InputError, match="autoencoder must be one of diffusers', with encode, decode, config"):
        adapters.diffusers_autoencoder(nn.Linear(2, 2))


def test_an_autoencoder_is_read_from_safetensors_only(tmp_path: Path) -> None:
    network, z = autoencoder(), torch.randn(1, 64)
    network.save_pretrained(tmp_path / "whole" / "vae")
    model = adapters.diffusers_autoencoder(tmp_path / "whole", subfolder="vae")
    torch.testing.assert_close(model.generator(z), adapters.diffusers_autoencoder(network).generator(z))
    network.save_pretrained(tmp_path / "pickled", safe_serialization=False)
    with pytest.raises(MissingDataError, match="no AutoencoderKL with safetensors in .*pickled"):
        adapters.diffusers_autoencoder(tmp_path / "pickled")
    with pytest.raises(MissingDataError, match="no AutoencoderKL with safetensors in .*nowhere', subfolder 'vae'"):
        adapters.diffusers_autoencoder(str(tmp_path / "nowhere"), subfolder="vae")
