"""What server, client and gateway have to agree on: names, tensors, options, errors and how a text is split.

It imports the standard library, numpy, regex and sentencex, and nothing else.
"""
