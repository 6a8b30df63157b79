"""The sound that the codec makes, and how much of it a frame of codes is."""

SAMPLE_RATE_HZ = 44_100
"""Rate of every audio tensor, in samples per second."""

FRAME_SAMPLES = 2048
"""Samples that one frame of codes becomes."""

FRAMES_PER_SECOND = SAMPLE_RATE_HZ / FRAME_SAMPLES
