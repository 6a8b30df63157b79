"""Training of the demo voice: text, speech, codes, codec, language model, and how well it is understood."""
