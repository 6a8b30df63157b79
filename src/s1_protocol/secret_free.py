"""Addresses hold no secrets here: they are printed at the start, in logs and in errors."""


def check_secret_free(name: str, address: str) -> str:
    """Hand an address back if it can be shown to anybody.

    Args:
        name: What is set by it, for the message.
        address: A path, or a scheme with what comes after it.

    Raises:
        ValueError: a name, password, key or query stands in it; the message does not repeat it.
    """
    _, mark, rest = address.partition("://")
    host = rest.partition("/")[0]
    if mark and ("@" in host or ":" in host or "?" in rest):
        raise ValueError(
            f"{name}: names a user, a key or a query in its address, which is not shown here; allowed: an address "
            "without, and credentials in AWS's own variables (AWS_ACCESS_KEY_ID, ...) or HF_TOKEN"
        )
    return address
