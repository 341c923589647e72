"""The pose payload: binary and JSON, version 1, as the detector reads it. Pure functions.

The layouts are described byte by byte in `src/acquire/wire.rs` of Vibrissa. Little endian: a header of 40 bytes, then
x, y and confidence of each point as float32, individual by individual. JSON says the same in words; a missing point is
NaN in the one and null in the other.

# Shapes
I individuals (1 to 8) of K keypoints (1 to 64).
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

ENCODING_BINARY = "application/x-vibrissa-pose"
ENCODING_JSON = "application/json"

VERSION = 1
INDIVIDUALS_MAX = 8
KEYPOINTS_MAX = 64

#: Coordinates beyond this many pixels are taken for garbage, hence for missing.
COORDINATE_MAX = 1e6

#: Longest JSON payload that the detector takes.
JSON_BYTES_MAX = 128 * 1024

Encoding = Literal["binary", "json"]
Points = npt.NDArray[np.float32]

_HEADER = struct.Struct("<4sIQqQIHH")
_MAGIC = b"VBP1"
_POINT_BYTES = 12
_CAPTURE_KNOWN, _STREAM_KNOWN, _RUN_KNOWN, _END, _LOSSLESS = 1, 2, 4, 8, 16
_FLAGS_ALL = 31
_JSON_FIELDS = {"version", "number", "capture_nanos", "stream", "run", "lossless", "end", "points"}


class WireError(ValueError):
    """Something that the payload cannot hold, or a payload that is none; says what was expected and what came."""


@dataclass(frozen=True)
class Packet:
    """One payload. `points` is None in an END mark, whose `number` counts the frames that were published."""

    number: int
    #: I x K x (x, y, confidence); a missing point is (NaN, NaN, 0).
    points: Points | None
    capture_nanos: int | None = None
    #: See `Stream.id`.
    stream_id: int | None = None
    run: int | None = None
    lossless: bool = False

    def encode(self, encoding: Encoding = "binary") -> bytes:
        """The payload in that encoding.

        # Errors
        `WireError` on a shape, a type or a number that the layout cannot hold.
        """
        _within("number", self.number, 0, 2**64 - 1)
        _within("capture_nanos", self.capture_nanos, -(2**63), 2**63 - 1)
        _within("stream_id", self.stream_id, 0, 2**64 - 1)
        _within("run", self.run, 0, 2**32 - 1)
        points = None if self.points is None else _checked(self.points)
        return self._binary(points) if encoding == "binary" else self._json(points)

    def _binary(self, points: Points | None) -> bytes:
        flags = (
            (0 if self.capture_nanos is None else _CAPTURE_KNOWN)
            | (0 if self.stream_id is None else _STREAM_KNOWN)
            | (0 if self.run is None else _RUN_KNOWN)
            | (_END if points is None else 0)
            | (_LOSSLESS if self.lossless else 0)
        )
        individuals, keypoints = (0, 0) if points is None else points.shape[:2]
        known = (self.capture_nanos or 0, self.stream_id or 0, self.run or 0)
        header = _HEADER.pack(_MAGIC, flags, self.number, *known, individuals, keypoints)
        return header if points is None else header + points.astype("<f4", copy=False).tobytes()

    def _json(self, points: Points | None) -> bytes:
        fields: dict[str, Any] = {"version": VERSION, "number": self.number}
        if self.capture_nanos is not None:
            fields["capture_nanos"] = self.capture_nanos
        if self.stream_id is not None:
            fields["stream"] = f"{self.stream_id:016x}"
        if self.run is not None:
            fields["run"] = self.run
        animals = [] if points is None else [[_json_point(point) for point in animal] for animal in points]
        fields |= {"lossless": self.lossless, "end": points is None, "points": animals}
        payload = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
        if len(payload) > JSON_BYTES_MAX:
            raise WireError(f"expected at most {JSON_BYTES_MAX} bytes of JSON, got {len(payload)}")
        return payload


def decode(payload: bytes, encoding: Encoding = "binary") -> Packet:
    """Reads a payload, as the detector does with a minimal confidence of zero.

    # Errors
    `WireError` on anything that the layout does not allow; nothing is repaired.
    """
    return _decode_binary(payload) if encoding == "binary" else _decode_json(payload)


def as_points(keypoints: npt.ArrayLike, confidence: npt.ArrayLike | None = None) -> Points:
    """The points of a frame from I x K x 2 coordinates and I x K confidences, or from I x K x 3 with both.

    Without confidence that of a point that is there is 1. What counts as missing (NaN or infinite values, the origin,
    coordinates beyond `COORDINATE_MAX`) becomes (NaN, NaN, 0). A low confidence is left to the detector's own minimum.

    # Errors
    `WireError` on another shape or on values that are no numbers.
    """
    values = _numbers("keypoints", keypoints)
    if values.ndim != 3 or values.shape[2] not in (2, 3):
        raise WireError(f"expected keypoints of I x K x 2 (or 3, with confidence), got shape {values.shape}")
    points = np.ones((*values.shape[:2], 3), dtype=np.float32)
    points[..., : values.shape[2]] = values
    if confidence is not None:
        if values.shape[2] == 3:
            raise WireError("expected confidence once, got it as the third column of keypoints and by itself")
        scores = _numbers("confidence", confidence)
        if scores.shape != values.shape[:2]:
            raise WireError(
                f"expected confidence of {' x '.join(map(str, values.shape[:2]))}, got shape {scores.shape}"
            )
        points[..., 2] = scores
    return _observed(points)


def _observed(points: Points) -> Points:
    x, y, confidence = points[..., 0], points[..., 1], points[..., 2]
    # A NaN is not within any bounds.
    in_bounds = (np.abs(x) <= COORDINATE_MAX) & (np.abs(y) <= COORDINATE_MAX) & np.isfinite(confidence)
    missing = ~in_bounds | ((x == 0) & (y == 0))
    np.clip(confidence, 0.0, 1.0, out=confidence)
    points[missing] = (np.nan, np.nan, 0.0)
    return points


def _numbers(name: str, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise WireError(f"expected {name} as an array, got ragged lists") from error
    if array.dtype.kind not in "fiu":
        raise WireError(f"expected {name} as numbers, got {array.dtype}")
    return array.astype(np.float64, copy=False)


def _checked(points: Points) -> Points:
    if points.dtype != np.float32:
        raise WireError(f"expected points as float32, got {points.dtype}")
    if points.ndim != 3 or points.shape[2] != 3:
        raise WireError(f"expected points of I x K x 3, got shape {points.shape}")
    individuals, keypoints = points.shape[:2]
    if not (1 <= individuals <= INDIVIDUALS_MAX and 1 <= keypoints <= KEYPOINTS_MAX):
        limits = f"1 to {INDIVIDUALS_MAX} individuals of 1 to {KEYPOINTS_MAX} keypoints"
        raise WireError(f"expected {limits}, got {individuals} of {keypoints}")
    return points


def _within(name: str, value: int | None, lowest: int, highest: int) -> None:
    if value is not None and not lowest <= value <= highest:
        raise WireError(f"expected a {name} within {lowest} to {highest}, got {value}")


def _json_point(point: Points) -> list[float] | None:
    # The shortest decimal of a float32, not the digits of its widening.
    return None if math.isnan(point[0]) else [float(str(value)) for value in point]


def _decode_binary(payload: bytes) -> Packet:
    if len(payload) < _HEADER.size:
        raise WireError(f"expected a header of {_HEADER.size} bytes, got {len(payload)} bytes in all")
    magic, flags, number, capture_nanos, stream_id, run, individuals, keypoints = _HEADER.unpack_from(payload)
    if magic[:3] != _MAGIC[:3]:
        raise WireError(f"expected a payload that begins with {_MAGIC[:3]!r}, got {magic[:3]!r}")
    if magic != _MAGIC:
        raise WireError(f"expected version {VERSION}, got {magic[3] - ord('0')}")
    if flags & ~_FLAGS_ALL:
        raise WireError(f"expected flags within {_FLAGS_ALL:#b}, got {flags:#b}")
    expected = _HEADER.size + individuals * keypoints * _POINT_BYTES
    if len(payload) != expected:
        raise WireError(f"expected {expected} bytes, got {len(payload)}")
    points = None
    if not flags & _END:
        body = np.frombuffer(payload, "<f4", offset=_HEADER.size).astype(np.float32)
        points = _observed(_checked(body.reshape(individuals, keypoints, 3)))
    elif individuals * keypoints:
        raise WireError(f"expected no points in an END mark, got {individuals * keypoints}")
    return Packet(
        number,
        points,
        capture_nanos if flags & _CAPTURE_KNOWN else None,
        stream_id if flags & _STREAM_KNOWN else None,
        run if flags & _RUN_KNOWN else None,
        bool(flags & _LOSSLESS),
    )


def _decode_json(payload: bytes) -> Packet:
    try:
        fields = json.loads(payload)
        unknown = set(fields) - _JSON_FIELDS
        version, number, animals = fields["version"], fields["number"], fields["points"]
    except (ValueError, TypeError, KeyError) as error:
        raise WireError(f"not a pose packet in JSON: {error!r}") from error
    if version != VERSION:
        raise WireError(f"expected version {VERSION}, got {version}")
    if unknown:
        raise WireError(f"expected the fields {sorted(_JSON_FIELDS)}, got {sorted(unknown)} as well")
    stream = fields.get("stream")
    points = None
    if not fields.get("end", False):
        missing = [math.nan, math.nan, 0.0]
        values = [[missing if point is None else point for point in animal] for animal in animals]
        points = _checked(as_points(np.asarray(_numbers("points", values))))
    elif any(animals):
        raise WireError(f"expected no points in an END mark, got {sum(map(len, animals))}")
    stream_id = None if stream is None else int(stream, 16)
    return Packet(
        number, points, fields.get("capture_nanos"), stream_id, fields.get("run"), fields.get("lossless", False)
    )
