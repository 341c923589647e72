"""BLAKE3 of a stream description: nothing but the default hash, for texts of some kilobytes.

From the specification at https://github.com/BLAKE3-team/BLAKE3-specs, section 2. A description is hashed once, so that
no further package is needed for it.
"""

from __future__ import annotations

import struct

_IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_QUARTERS = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)
_ROUNDS = 7
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT = 1, 2, 4, 8
_CHUNK_BYTES, _BLOCK_BYTES = 1024, 64
_MASK = 0xFFFFFFFF


def blake3(data: bytes) -> bytes:
    """The 32 bytes of the hash."""
    return struct.pack("<8I", *_node(data, 0, _ROOT))


def _node(data: bytes, chunk: int, root: int) -> tuple[int, ...]:
    """Chaining value of the subtree over `data`, whose first chunk is number `chunk`."""
    if len(data) <= _CHUNK_BYTES:
        return _chunk(data, chunk, root)
    # The left subtree is full and as large as it can be.
    left_chunks = 1 << (((len(data) - 1) // _CHUNK_BYTES).bit_length() - 1)
    split = left_chunks * _CHUNK_BYTES
    children = _node(data[:split], chunk, 0) + _node(data[split:], chunk + left_chunks, 0)
    return _compress(_IV, children, 0, _BLOCK_BYTES, _PARENT | root)


def _chunk(data: bytes, chunk: int, root: int) -> tuple[int, ...]:
    value: tuple[int, ...] = _IV
    starts = range(0, max(len(data), 1), _BLOCK_BYTES)
    for start in starts:
        block = data[start : start + _BLOCK_BYTES]
        flags = (_CHUNK_START if start == 0 else 0) | (_CHUNK_END | root if start == starts[-1] else 0)
        words = struct.unpack("<16I", block.ljust(_BLOCK_BYTES, b"\0"))
        value = _compress(value, words, chunk, len(block), flags)
    return value


def _compress(
    value: tuple[int, ...], words: tuple[int, ...], counter: int, block_bytes: int, flags: int
) -> tuple[int, ...]:
    v = [*value, *_IV[:4], counter & _MASK, counter >> 32, block_bytes, flags]
    for _ in range(_ROUNDS):
        for (a, b, c, d), first, second in zip(_QUARTERS, words[::2], words[1::2], strict=True):
            for word, turn_d, turn_b in ((first, 16, 12), (second, 8, 7)):
                v[a] = (v[a] + v[b] + word) & _MASK
                v[d] = _rotate(v[d] ^ v[a], turn_d)
                v[c] = (v[c] + v[d]) & _MASK
                v[b] = _rotate(v[b] ^ v[c], turn_b)
        words = tuple(words[index] for index in _PERMUTATION)
    return tuple(low ^ high for low, high in zip(v[:8], v[8:], strict=True))


def _rotate(word: int, bits: int) -> int:
    return (word >> bits | word << (32 - bits)) & _MASK
