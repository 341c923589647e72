"""Vibrissa's rig in Python: publish poses, hear what is said about them.

`Publisher` and `Stream` publish the poses of a cage; `Events` and `Statuses` hear the detector. Adapters are in
`vibrissa_rig.deeplabcut` (a DeepLabCut-Live `Processor`) and `vibrissa_rig.sleap`; payloads in `vibrissa_rig.wire`.
"""

from vibrissa_rig.messages import Event, MessageError, Revised, Status, VersionError
from vibrissa_rig.publisher import Counts, Publisher
from vibrissa_rig.session import ENDPOINT, open_session
from vibrissa_rig.stream import Stream, StreamError
from vibrissa_rig.subscriber import Events, Statuses
from vibrissa_rig.tables import TableError
from vibrissa_rig.wire import WireError

__version__ = "0.1.0"

__all__ = [
    "Publisher",
    "Stream",
    "Events",
    "Statuses",
    "Event",
    "Status",
    "Revised",
    "Counts",
    "ENDPOINT",
    "open_session",
    "StreamError",
    "WireError",
    "TableError",
    "MessageError",
    "VersionError",
]
