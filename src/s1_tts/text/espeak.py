"""Phonemes by the espeak-ng library, for checkpoints whose language model reads phonemes instead of letters.

The library comes with the package ``espeakng-loader``. It keeps one state a process: calls take turns, and the voice
set last is the one that is heard. Phonemes do not depend on the voice, only on its language.
"""

import ctypes
import re
import threading
from pathlib import Path
from typing import ClassVar, Final

from s1_protocol.errors import CheckpointError

LANGUAGE: Final = "en-us"
INSTALL_HINT: Final = 'pip install "s1-tts[espeak]"'

_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_IPA = 2

_LANGUAGE_MARK = re.compile(r"\([a-z]{2,3}(?:-[a-z0-9]+)*\)")
"""What the library writes where a word of another alphabet changes the language, and where it changes back."""


class Espeak:
    """The library, its data read and a voice set.

    Args:
        data_folder: Folder of espeak-ng's data; none takes the one that the package brings.
        voice: Voice as espeak-ng names it: a language, and perhaps ``+`` and a variant.

    Raises:
        CheckpointError: the library is not installed, or refuses its data or the voice.
    """

    turn: ClassVar[threading.Lock] = threading.Lock()
    """Held during every call: the library is no more than one a process."""

    def __init__(self, data_folder: Path | None = None, voice: str = LANGUAGE) -> None:
        try:
            import espeakng_loader  # noqa: PLC0415  # only this checkpoint's front end needs it
        except ImportError as error:
            raise CheckpointError(f"this checkpoint reads phonemes, which espeak-ng makes: {INSTALL_HINT}") from error
        folder = data_folder or Path(espeakng_loader.get_data_path())
        with self.turn:
            self.library = ctypes.CDLL(espeakng_loader.get_library_path())
            self.library.espeak_TextToPhonemes.restype = ctypes.c_char_p
            self.library.espeak_TextToPhonemes.argtypes = [
                ctypes.POINTER(ctypes.c_char_p),
                ctypes.c_int,
                ctypes.c_int,
            ]
            self.sample_rate: int = self.library.espeak_Initialize(_SYNCHRONOUS, 0, str(folder).encode(), _DO_NOT_EXIT)
            if self.sample_rate <= 0:
                raise CheckpointError(f"espeak-ng cannot read its data in {folder}")
            if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise CheckpointError(f"espeak-ng has no voice {voice!r} in {folder}")

    def phonemes(self, text: str) -> str:
        """Phonemes of a text in the International Phonetic Alphabet, words parted by spaces.

        Args:
            text: English without NUL; what the library takes for several clauses is joined by spaces.
        """
        clauses = []
        with self.turn:
            rest = ctypes.c_char_p(text.encode())
            while rest.value is not None:
                clauses.append(self.library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA).decode())
        said = _LANGUAGE_MARK.sub("", " ".join(clauses))
        return " ".join(said.split())
