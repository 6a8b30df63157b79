"""Options that came where none is read, or under a name that is nearly theirs; both would be passed over in silence."""

import difflib
from collections.abc import Iterable

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.request_options import OPTIONS, TEXT

NEAR = 0.8
"""How much alike two names are (``difflib``, 0 to 1) of which one is taken for a slip of the other."""

NAMES = tuple(option.field.value for option in (TEXT, *OPTIONS))


def check_no_option_among(parameters: Iterable[str]) -> None:
    """Look through the names of a request's parameters, which Triton makes of JSON members that are no inputs.

    Args:
        parameters: Their names. Those of other people, and Triton's own, are like no option.

    Raises:
        InvalidArgumentError: one is an option, or nearly.
    """
    for name in parameters:
        near = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=NEAR)
        if near:
            fault = "came as a parameter" if name == near[0] else "is no input"
            raise InvalidArgumentError(name, fault, f"the input {near[0]}")
