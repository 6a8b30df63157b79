"""Pages of a caller's jobs."""

from dataclasses import dataclass

from s1_gateway.errors import GatewayError, Reason, invalid
from s1_gateway.jobs.ledger import Ledger

MOST_LISTED = 100
"""Jobs of a page at most."""


@dataclass(frozen=True)
class Page:
    """Some of a caller's jobs.

    Args:
        job_ids: In order; records of some may be forgotten.
        has_more: Whether others follow.
    """

    job_ids: list[str]
    has_more: bool


async def page_of_token(ledger: Ledger, token: str, after: str | None, most: int) -> Page:
    """Find a token's jobs, the newest first.

    Args:
        ledger: All records.
        token: Whose.
        after: The last id of the page before; None: from the newest.
        most: Jobs of the page.

    Raises:
        GatewayError: ``after`` is none of the token's jobs.
    """
    found = await ledger.list_ids(token, most + 1, after)
    if found is None:
        raise _not_listed(after)
    return Page(found[:most], len(found) > most)


async def page_of_batch(ledger: Ledger, token: str, batch_id: str, after: str | None, most: int) -> Page:
    """Find a batch's jobs, in the order of its texts; arguments as of :func:`page_of_token`.

    Raises:
        GatewayError: there is no such batch, or ``after`` is none of its jobs.
    """
    batch = await ledger.find_batch(batch_id)
    if batch is None or batch.token != token:
        fault = "there is no such batch; what ended is forgotten after a while"
        raise GatewayError(Reason.NOT_FOUND, fault, field="batch_id")
    if after is not None and after not in batch.job_ids:
        raise _not_listed(after)
    begin = 0 if after is None else batch.job_ids.index(after) + 1
    return Page(list(batch.job_ids[begin : begin + most]), len(batch.job_ids) > begin + most)


def _not_listed(after: str | None) -> GatewayError:
    return invalid("after", f"got {after!r:.80}; allowed: the last_id of the page before")
