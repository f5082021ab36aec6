"""Adapters of generators from elsewhere to callables ``(N, D) -> (N, ...)``.

=========================== ============================================ ===========================================
adapter                     input                                        result
=========================== ============================================ ===========================================
`conditional`               ``generator(z, condition)``                  a generator with that condition
`fixed_noise`               ``generator(z, noise=...)``                  a generator with that noise
`hypersphere`               a generator of points on a sphere            a generator of any latent but 0
`diffusers_autoencoder`     an autoencoder of diffusers                  a `Model` with an encoder
`zuko_flow`, `zuko_prior`   a normalising flow of zuko                   a `Model` with an encoder; a prior
=========================== ============================================ ===========================================

The generators are modules: ``.to(device)`` moves their contents, and they work with `torch.func` and in reverse mode.
The wrapped generator must be in eval mode and is never changed.
"""

from .autoencoder import diffusers_autoencoder
from .flow import zuko_flow, zuko_prior
from .side_inputs import conditional, fixed_noise
from .sphere import hypersphere

__all__ = ["conditional", "diffusers_autoencoder", "fixed_noise", "hypersphere", "zuko_flow", "zuko_prior"]
