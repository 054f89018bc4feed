"""The 43 German traffic signs of GTSRB, in the order of its class numbers."""

from __future__ import annotations

SIGN_NAMES = tuple(
    f"{number:02d} {name}"
    for number, name in enumerate(
        (
            "speed limit 20",
            "speed limit 30",
            "speed limit 50",
            "speed limit 60",
            "speed limit 70",
            "speed limit 80",
            "end of speed limit 80",
            "speed limit 100",
            "speed limit 120",
            "no overtaking",
            "no overtaking by lorries",
            "priority at next crossing",
            "priority road",
            "give way",
            "stop",
            "no vehicles",
            "no lorries",
            "no entry",
            "danger",
            "bend left",
            "bend right",
            "double bend",
            "uneven road",
            "slippery road",
            "road narrows",
            "road works",
            "traffic lights",
            "pedestrians",
            "children",
            "bicycles",
            "snow or ice",
            "wild animals",
            "end of restrictions",
            "right only",
            "left only",
            "straight only",
            "straight or right",
            "straight or left",
            "keep right",
            "keep left",
            "roundabout",
            "end of no overtaking",
            "end of no overtaking by lorries",
        )
    )
)
