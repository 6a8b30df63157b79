"""Find, download, verify and make checkpoints."""
