"""Pictures of the videos."""

from __future__ import annotations

from rhovideo.report.blocks import Section, Text
from rhovideo.report.per_video import Predictions
from rhovideo.report.subjects import Chain


class Pictures:
    """placeholder."""

    def __init__(self, chain: Chain, features: bool) -> None:
        self._chain = chain

    def predictions(self) -> Predictions | None:
        return None

    def clips_section(self) -> Section:
        return Section("clips", "Augmented clips", [Text("later", "missing")])

    def neighbours_section(self) -> Section:
        return Section("neighbours", "Nearest neighbours", [Text("later", "missing")])

    def map_section(self) -> Section:
        return Section("map", "Embedding map", [Text("later", "missing")])

    def mistakes_section(self, predictions: Predictions | None) -> Section:
        return Section("mistakes", "Mistakes", [Text("later", "missing")])
