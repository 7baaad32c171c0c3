"""Pretrained networks: names, weights, frozen features, domain shift."""
