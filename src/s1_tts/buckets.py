"""Sizes that CUDA graphs are captured for: a few, so that whatever comes is rounded up to one of them."""


def doubling(smallest: int, largest: int) -> list[int]:
    """Doublings of the smallest size below the largest, and the largest."""
    buckets = []
    while smallest < largest:
        buckets.append(smallest)
        smallest *= 2
    return [*buckets, largest]


def row_buckets(max_rows: int) -> list[int]:
    """Powers of two up to the number of rows, and that number."""
    return doubling(1, max_rows)
