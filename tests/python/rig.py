"""A rig in Python: it publishes the poses of one cage, in either payload (src/acquire/wire.rs describes both)."""

import json
import struct

import zenoh

BINARY, JSON = "application/x-vibrissa-pose", "application/json"
CAPTURE_KNOWN, END, LOSSLESS = 1, 8, 16


class Rig:
    """`lossless` makes the detector slow this rig down instead of dropping its frames: for replays, not for cameras."""

    def __init__(self, session, name, stream, encoding=BINARY, lossless=False):
        self.stream, self.encoding, self.lossless, self.count = json.dumps(stream), encoding, lossless, 0
        control = zenoh.CongestionControl.BLOCK if lossless else zenoh.CongestionControl.DROP
        how = dict(priority=zenoh.Priority.REAL_TIME, congestion_control=control, express=True)
        self.pose = session.declare_publisher(f"vibrissa/{name}/pose", encoding=encoding, **how)
        self.description = session.declare_publisher(f"vibrissa/{name}/stream", encoding=JSON, **how)

    def publish(self, number, animals, capture_nanos):
        """`animals`: for each one its points, each (x, y, confidence) or None where it was not seen."""
        if self.count % 30 == 0:  # every second at 30 Hz, for a detector that joins late
            self.description.put(self.stream)
        self.count += 1
        self.pose.put(self.packet(number, animals, capture_nanos))

    def end(self):
        self.pose.put(self.packet(self.count, [], None, END))

    def packet(self, number, animals, capture_nanos, flags=0):
        if self.encoding == JSON:
            fields = dict(version=1, number=number, points=animals, lossless=self.lossless, end=bool(flags & END))
            return json.dumps(fields | ({} if capture_nanos is None else {"capture_nanos": capture_nanos}))
        flags |= (LOSSLESS if self.lossless else 0) | (0 if capture_nanos is None else CAPTURE_KNOWN)
        shape = (len(animals), len(animals[0]) if animals else 0)
        header = struct.pack("<4sIQqQIHH", b"VBP1", flags, number, capture_nanos or 0, 0, 0, *shape)
        points = [point or (float("nan"), float("nan"), 0.0) for animal in animals for point in animal]
        return header + b"".join(struct.pack("<3f", *point) for point in points)
