"""A language model that gives a server up soon which holds too much that nobody reads."""

from s1_tts.triton.models.llama import LlamaModel


class TritonPythonModel(LlamaModel):
    unread_patience_s = 6.0
