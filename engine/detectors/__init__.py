"""Detectors: what the public feed says about who manipulates, breaks or hides (stop 5b on the data path).

They see events and the book that events build, and nothing else: `Sight` has no way to an account, and
tests/detectors/test_feed_only.py holds the room to that. Each detector is one file: its statistic and where
it comes from, its record, its kernel. watch.py runs them, readings.py lets Python read them.
"""

from engine.detectors.clusters import Cluster, cluster_alarms, stress_windows
from engine.detectors.outlook import Health, LargeOrder, health_of, large_order_of
from engine.detectors.readings import NEED_ORDERS, Alarm, Detection, FileDetection
from engine.detectors.records import AlarmKind

__all__ = [
    "NEED_ORDERS",
    "Alarm",
    "AlarmKind",
    "Cluster",
    "Detection",
    "FileDetection",
    "Health",
    "LargeOrder",
    "cluster_alarms",
    "health_of",
    "large_order_of",
    "stress_windows",
]
