"""The version of this package, which server and client tell each other."""

import importlib.metadata

UNKNOWN = "unknown"


def package_version() -> str:
    """Version of ``s1-tts``; ``unknown`` where its code is used without having been installed."""
    try:
        return importlib.metadata.version("s1-tts")
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN
