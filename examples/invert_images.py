"""Inversion of images to latents: the images and numbers of docs/models.md.

Sixteen test digits of MNIST with the DCGANs of digits, and sixteen faces of CelebA that no shipped model was trained
on (numbers 008901 to 008916), with every model of faces. `latentpath.invert` finds their latents; for the
auto-encoder the result of its encoder stands beside. The data are read from the folder that LATENTPATH_DATA names.

    LATENTPATH_DATA=~/data python examples/invert_images.py --out out/inverted
    LATENTPATH_DATA=~/data python examples/invert_images.py --models mnist-dcgan-semicircle --count 32 --penalty 0
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

import latentpath as lp
from latentpath.data import load_images
from latentpath.viz.grid import contact_sheet

DIGITS = ("mnist-dcgan-semicircle", "mnist-dcgan-normal")
FACES = ("celeba-dcgan-semicircle", "celeba-dcgan-normal", "celeba-wae")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/inverted"), help="folder for the pictures")
    parser.add_argument("--models", nargs="+", default=[*DIGITS, *FACES], help="names of models; all by default")
    parser.add_argument("--count", type=int, default=16, help="number of images of each kind")
    parser.add_argument("--penalty", type=float, default=0.005, help="weight of -log ri of the latents")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.models:
        if name in DIGITS:
            pixels = load_images("mnist", size=28, channels=1, split="test").pixels
        else:
            pixels = load_images("celeba", size=64, channels=3, hold_out=100).held_out
        images, model = pixels[: options.count].float() / 127.5 - 1, lp.load(name)
        began = time.perf_counter()
        found = lp.invert(model, images, penalty=options.penalty)
        took = time.perf_counter() - began
        price = -lp.RealismIndex(model.prior, alpha=1.0).log(found.latents).mean()
        line = f"{name}: RMS error {found.error.mean():.3f} (worst {found.error.max():.3f}), mean -log ri {price:.2f}"
        if model.encoder is not None:
            with torch.no_grad():
                given = model.generator(model.encode(images))
            line += f"; the encoder alone {(given - images).square().flatten(1).mean(1).sqrt().mean():.3f}"
        print(f"{line}; {took:.0f} s")
        zoom = 3 if name in DIGITS else 1
        sheet = contact_sheet(torch.cat([images, found.images]), columns=len(images), zoom=zoom, value_range=(-1, 1))
        sheet.save(options.out / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
