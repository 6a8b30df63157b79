from s1_tts.serving.server_log import find_failure

LOAD = "E1121 08:45:58.9 16541 model_lifecycle.cc:642] \"failed to load '{model}' version 1: {reason}\""

PYTHON = "Internal: TritonModelException: "
TRACEBACK = r"\n\nAt:\n  /x.py(3): f\n"


def test_models_own_message():
    lines = [
        "I1121 08:45:58.9 16541 server.cc:604] ",
        LOAD.format(model="s1_llama", reason=rf"{PYTHON}no such key: a.b{TRACEBACK}"),
        LOAD.format(model="s1_codec", reason="Invalid argument: too many dims"),
        "error: creating server: Internal - failed to load all models",
    ]
    assert find_failure(lines) == "s1_llama: no such key: a.b\ns1_codec: Invalid argument: too many dims"


def test_message_of_several_lines():
    line = LOAD.format(model="s1_llama", reason=rf"{PYTHON}first\nsecond{TRACEBACK}")
    assert find_failure([line]) == "s1_llama: first\nsecond"


def test_servers_own_error():
    assert find_failure(["I1121 08:45:58.9 1 a.cc:1] hello", "error: no repository"]) == "no repository"


def test_silence():
    assert find_failure([]) == "the server ended without a word"


def test_what_nobody_caught_is_the_reason():
    lines = [
        'E1121 20:32:22.1 1 server.cc:241] "CudaDriverHelper has not been initialized."',
        "terminate called after throwing an instance of 'boost::interprocess::lock_exception'",
        "  what():  boost::interprocess::lock_exception",
    ]
    assert find_failure(lines) == "boost::interprocess::lock_exception"
