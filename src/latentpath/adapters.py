"""Adapters for generators of other libraries; the public names of `latentpath.models.adapters`."""

from .models.adapters import conditional, diffusers_autoencoder, fixed_noise, hypersphere, zuko_flow, zuko_prior

__all__ = ["conditional", "diffusers_autoencoder", "fixed_noise", "hypersphere", "zuko_flow", "zuko_prior"]
