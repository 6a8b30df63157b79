"""The DAC codec: audio codes to 44.1 kHz samples and back."""
