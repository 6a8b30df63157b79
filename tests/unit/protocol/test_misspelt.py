"""Options under a wrong name are told; what belongs to others is passed over."""

import pytest

from s1_protocol.errors import InvalidArgumentError
from s1_protocol.misspelt import NAMES, check_no_option_among
from s1_protocol.names import Parameter

OF_OTHERS = (
    *Parameter,
    "user",
    "model",
    "stream",
    "timeout",
    "priority",
    "sequence_id",
    "max_tokens",
    "binary_data_output",
)


@pytest.mark.parametrize("name", NAMES)
def test_slips_are_told(name: str) -> None:
    for slip in (name, name[:-1] + "x" if len(name) > 5 else name.upper(), name.upper()):
        with pytest.raises(InvalidArgumentError, match=f"^{slip}: .*; allowed: the input {name}$"):
            check_no_option_among([slip])


def test_other_names_are_passed_over() -> None:
    check_no_option_among(OF_OTHERS)
