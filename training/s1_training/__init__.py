"""Checkpoints that are made here: development ones of random weights, and the demo voice with its training."""
