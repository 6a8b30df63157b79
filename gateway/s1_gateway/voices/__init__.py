"""Stored voices: what callers' names for them mean, and how they are listed, added and removed."""
