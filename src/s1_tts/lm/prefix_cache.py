"""Keys and values of voice prompts, computed once and shared by all requests that begin with them.

A prefix is known by its columns alone, every token and every code, so two voices can never be mixed. It always begins
at position 0, so its keys and values are the same in every slot and a copy of them is as good as computing them.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor

from s1_tts.lm.kv_cache import KvPool
from s1_tts.lm.prompt import Columns


@dataclass(frozen=True, eq=False)
class Prefix:
    """Keys and values of a prefix, each ``[n_layer, length, n_kv_head, head_dim]``."""

    keys: Tensor
    values: Tensor

    @property
    def length(self) -> int:
        """Positions it covers."""
        return self.keys.shape[1]

    @property
    def size_bytes(self) -> int:
        """Memory it takes."""
        return self.keys.nbytes + self.values.nbytes


def prefix_key(columns: Columns) -> bytes:
    """Digest of the columns of a prefix ``[1 + num_codebooks, length]``."""
    return hashlib.sha256(columns.shape[1].to_bytes(8, "little") + columns.tobytes()).digest()


class PrefixCache:
    """Prefixes by key, bounded by bytes; the one that was not used for the longest time gives way.

    Args:
        pool: Where slots are read and written.
        max_bytes: Memory at most; 0 keeps nothing.
    """

    def __init__(self, pool: KvPool, max_bytes: int) -> None:
        self._pool = pool
        self._max_bytes = max_bytes
        self._prefixes: OrderedDict[bytes, Prefix] = OrderedDict()
        self.size_bytes = 0
        self.hits = 0
        self.misses = 0

    def knows(self, key: bytes) -> bool:
        """Whether a prefix is known, without using it."""
        return key in self._prefixes

    def restore(self, key: bytes, slot: int) -> bool:
        """Write a known prefix to the beginning of a slot; returns whether it was known."""
        prefix = self._prefixes.get(key)
        if prefix is None:
            self.misses += 1
            return False
        self._prefixes.move_to_end(key)
        self._pool.keys[:, slot, : prefix.length] = prefix.keys
        self._pool.values[:, slot, : prefix.length] = prefix.values
        self.hits += 1
        return True

    def keep(self, key: bytes, slot: int, length: int) -> None:
        """Remember the first ``length`` positions of a slot; one too large for the cache is passed over."""
        prefix = Prefix(
            keys=self._pool.keys[:, slot, :length].clone(), values=self._pool.values[:, slot, :length].clone()
        )
        if key in self._prefixes or prefix.size_bytes > self._max_bytes:
            return
        self._prefixes[key] = prefix
        self.size_bytes += prefix.size_bytes
        while self.size_bytes > self._max_bytes:
            _, oldest = self._prefixes.popitem(last=False)
            self.size_bytes -= oldest.size_bytes
