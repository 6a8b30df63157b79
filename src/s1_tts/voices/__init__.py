"""Voices: recordings, where they are stored, and their codes."""
