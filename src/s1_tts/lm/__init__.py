"""The dual-AR language model: text in, audio codes out."""
