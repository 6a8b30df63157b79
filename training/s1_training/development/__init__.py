"""Development checkpoints: random weights in the published format."""
