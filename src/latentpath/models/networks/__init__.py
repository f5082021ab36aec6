"""Networks: DCGAN, Wasserstein auto-encoder, and a classifier of digits."""
