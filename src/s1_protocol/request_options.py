"""The table of what a request for speech may say. Tensors, checks, commands, settings and pages derive from it."""

from s1_protocol.limits import MAX_FRAMES as LONGEST_FRAMES
from s1_protocol.limits import (
    MAX_RECORDING_BYTES,
    MAX_RECORDING_S,
    MAX_RECORDINGS,
    MAX_SEED,
    MAX_TEXT_CHARACTERS,
    MAX_TRANSCRIPT_CHARACTERS,
    MIN_RECORDING_S,
    SOUND_FILES,
)
from s1_protocol.names import Field, ServiceClass
from s1_protocol.option_kinds import (
    EVERY_CALLER,
    Caller,
    ChoiceOption,
    FlagOption,
    FloatOption,
    IntegerOption,
    Option,
    SeedOption,
    TextOption,
)
from s1_protocol.sound import FRAMES_PER_SECOND

_SPEAKERS = EVERY_CALLER - {Caller.BENCH}
_RECORDINGS = frozenset({Caller.GATEWAY})
"""Who sends recordings along; at a command line and in a bot, a voice is stored first."""

ONE_ANSWER_CHUNK_FRAMES = 64
"""Of a request for one answer that does not say: three seconds, so few messages, and a leaving caller is seen soon."""

TEXT = TextOption(
    field=Field.TEXT,
    help="what to say",
    default_words="required",
    allowed_words=f"UTF-8 text with something to say, at most {MAX_TEXT_CHARACTERS} characters",
)
VOICE = TextOption(
    field=Field.VOICE,
    help="id of a stored voice; not together with a recording",
    allowed_words="1 to 64 of a-z, 0-9, dot, underscore and hyphen, the first a letter or a digit",
    callers=_SPEAKERS,
)
REFERENCE_AUDIO = TextOption(
    field=Field.REFERENCE_AUDIO,
    help=f"a recording to sound like, or up to {MAX_RECORDINGS} of one speaker, `[1, N]`; not in JSON",
    allowed_words=(
        f"a whole {SOUND_FILES} file of {MIN_RECORDING_S:g} to {MAX_RECORDING_S:g} s with speech in it, "
        f"at most {MAX_RECORDING_BYTES >> 20} MiB"
    ),
    is_binary=True,
    is_list=True,
    callers=_RECORDINGS,
)
REFERENCE_TEXT = TextOption(
    field=Field.REFERENCE_TEXT,
    help=f"comes with {Field.REFERENCE_AUDIO}, one for each",
    allowed_words=f"what is said in the recording, at most {MAX_TRANSCRIPT_CHARACTERS} characters",
    is_list=True,
    callers=_RECORDINGS,
)
SEED = SeedOption(
    field=Field.SEED,
    help="the same seed and options give the same speech",
    low=0,
    high=MAX_SEED,
    callers=_SPEAKERS,
)
TEMPERATURE = FloatOption(
    field=Field.TEMPERATURE,
    help="0 always takes the most likely code",
    default=0.8,
    low=0.0,
    high=2.0,
    callers=_SPEAKERS,
)
TOP_P = FloatOption(
    field=Field.TOP_P,
    help="draws only from the likeliest codes, which have this much of the probability",
    default=0.8,
    low=0.0,
    high=1.0,
    is_low_allowed=False,
    callers=_SPEAKERS,
)
REPETITION_PENALTY = FloatOption(
    field=Field.REPETITION_PENALTY,
    help="makes the codes of the last 16 frames less likely; 1 is none",
    default=1.1,
    low=0.5,
    high=2.0,
    callers=_SPEAKERS,
)
MAX_FRAMES = IntegerOption(
    field=Field.MAX_FRAMES,
    help=f"longest speech; {FRAMES_PER_SECOND:.2f} frames are a second; 0: twice what the text needs, at least 95 s",
    unit="frames",
    default=0,
    low=0,
    high=LONGEST_FRAMES,
)
CHUNK_FRAMES = IntegerOption(
    field=Field.CHUNK_FRAMES,
    help=(
        "frames a chunk; 0 lets the server choose, small first, then growing; "
        f"for one answer, {ONE_ANSWER_CHUNK_FRAMES} if not given"
    ),
    unit="frames",
    default=0,
    low=0,
    high=256,
    callers=frozenset({Caller.SAY}),
)
SERVICE = ChoiceOption(
    field=Field.SERVICE,
    help="calls have priority over notes",
    choices=ServiceClass,
    default=ServiceClass.NOTE,
    callers=frozenset({Caller.SAY, Caller.BENCH}),
)
DEADLINE_MS = IntegerOption(
    field=Field.DEADLINE_MS,
    help="refuse the request if its first audio would come later than this; 0: never",
    unit="ms",
    default=0,
    low=0,
    high=2**31 - 1,
    callers=frozenset({Caller.SAY, Caller.PIPECAT}),
)

NORMALIZE = FlagOption(
    field=Field.NORMALIZE,
    help="spell amounts, times and the like out before speaking, where the checkpoint's text front end does so",
    default=True,
    callers=_SPEAKERS,
)

VOICE_OPTIONS: tuple[Option, ...] = (VOICE, REFERENCE_AUDIO, REFERENCE_TEXT)
"""Whom to sound like; a step of its own makes prompts of them."""

SOUND_OPTIONS: tuple[Option, ...] = (
    SEED,
    TEMPERATURE,
    TOP_P,
    REPETITION_PENALTY,
    MAX_FRAMES,
    CHUNK_FRAMES,
    SERVICE,
    DEADLINE_MS,
    NORMALIZE,
)
"""The rest, which goes on to the language model."""

OPTIONS = (*VOICE_OPTIONS, *SOUND_OPTIONS)
"""All options, in the order of the tensors."""

NUMBERS = tuple(option for option in OPTIONS if isinstance(option, FloatOption | IntegerOption))
"""Those that are numbers with a default."""


def options_for(caller: Caller) -> tuple[Option, ...]:
    """Options that a face offers, in order."""
    return tuple(option for option in OPTIONS if caller in option.callers)
