"""Two simulated rats that rest, approach, sniff and circle each other, and part again; the same on every call."""

import math
import random

RATE_HZ = 30.0
BODY_LENGTH_PX = 183.4  # the camera of models/rat-dyads

KEYPOINTS = ["top", "body", "tail", "tail-m", "tail-e"]
AHEAD = [0.5, 0.0, -0.5, -0.9, -1.3]  # how far each lies before the body, in body lengths

STREAM = {
    "skeleton": {
        "name": "rat-5",
        "keypoints": KEYPOINTS,
        "front": "top",
        "centre": "body",
        "rear": "tail",
        "edges": [["top", "body"], ["body", "tail"], ["tail", "tail-m"], ["tail-m", "tail-e"]],
    },
    "individuals": ["rat1", "rat2"],
    "rate_hz": RATE_HZ,
    "body_length_px": BODY_LENGTH_PX,
    "clock": "unix",
    "origin": "simulated",
}


def frames(count):
    """2 x 5 points (x, y, confidence) for each frame; now and then a tail is not seen (None)."""
    chance = random.Random(1)
    for number in range(count):
        secs = number / RATE_HZ
        # Together for the middle of every 8 s: noses 0.3 body lengths apart, else 3 apart.
        together = 0.5 - 0.5 * math.cos(2 * math.pi * secs / 8)
        apart = BODY_LENGTH_PX * (1.3 + 2.7 * (1 - together) ** 2)
        turn = 0.3 * secs + 0.4 * math.sin(1.3 * secs)
        yield [rat(chance, side, apart, turn, secs) for side in (-1, 1)]


def rat(chance, side, apart, turn, secs):
    x, y = 640 + side * apart / 2 * math.cos(turn), 512 + side * apart / 2 * math.sin(turn)
    heading = turn + (0 if side < 0 else math.pi) + 0.5 * math.sin(2.1 * secs + side)
    points = []
    for ahead in AHEAD:
        wag = 0.3 * math.sin(3 * secs + side) if ahead < -0.5 else 0.0
        along = ahead * BODY_LENGTH_PX
        jitter = chance.uniform(-1, 1), chance.uniform(-1, 1)
        point = (x + along * math.cos(heading + wag) + jitter[0], y + along * math.sin(heading + wag) + jitter[1], 0.95)
        points.append(None if ahead < -0.5 and chance.random() < 0.2 else point)
    return points
