"""The models that Triton loads; each translates and hands on."""
