"""From a list of videos to batches of clips: lists, reading, sampling, augmentation and loading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.data.augment.clip_augmentation import TrainAugmentation, build_augmentation, normalise
    from rhovideo.data.augment.colour import ColourAugmentation
    from rhovideo.data.augment.crops import EvalCrops
    from rhovideo.data.curation.filtering import Wanted, filter_list
    from rhovideo.data.curation.merging import merge_lists
    from rhovideo.data.curation.source_list import ListFormat
    from rhovideo.data.curation.statistics import ListStatistics, list_statistics
    from rhovideo.data.curation.subsets import subset_list
    from rhovideo.data.lists.bad_videos import BadVideoLedger
    from rhovideo.data.lists.csv_parsing import ManifestError
    from rhovideo.data.lists.indexing.folder_index import index_folder
    from rhovideo.data.lists.indexing.official.ava import index_ava
    from rhovideo.data.lists.indexing.official.charades import index_charades
    from rhovideo.data.lists.indexing.official.diving48 import index_diving48
    from rhovideo.data.lists.indexing.official.kinetics import index_kinetics
    from rhovideo.data.lists.indexing.official.something import index_ssv2
    from rhovideo.data.lists.indexing.official.three_splits import index_hmdb51, index_ucf101
    from rhovideo.data.lists.manifest import Manifest
    from rhovideo.data.lists.video_list import VideoList
    from rhovideo.data.loading.batches import Batch
    from rhovideo.data.loading.datasets import VideoDataset, build_dataset, open_manifest
    from rhovideo.data.loading.loader import Loader, build_loader
    from rhovideo.data.loading.scanning import ScanReport, scan
    from rhovideo.data.sampling.clip_samplers import (
        RandomClipSampler,
        RhoClipSampler,
        UniformClipSampler,
        build_clip_sampler,
    )
    from rhovideo.data.sampling.segment_sampler import SegmentSampler
    from rhovideo.data.video.image_frames import ImageFrames, IndexedFrames
    from rhovideo.data.video.picture.frame import RgbPicture
    from rhovideo.data.video.reader import Video, VideoReadError
    from rhovideo.data.video.torchcodec_reader import TorchcodecVideo, open_video

__all__ = [
    "BadVideoLedger",
    "Batch",
    "ColourAugmentation",
    "EvalCrops",
    "ImageFrames",
    "IndexedFrames",
    "ListFormat",
    "ListStatistics",
    "Loader",
    "Manifest",
    "ManifestError",
    "RandomClipSampler",
    "RgbPicture",
    "RhoClipSampler",
    "ScanReport",
    "SegmentSampler",
    "TorchcodecVideo",
    "TrainAugmentation",
    "UniformClipSampler",
    "Video",
    "VideoDataset",
    "VideoList",
    "VideoReadError",
    "Wanted",
    "build_augmentation",
    "build_clip_sampler",
    "build_dataset",
    "build_loader",
    "filter_list",
    "index_ava",
    "index_charades",
    "index_diving48",
    "index_folder",
    "index_hmdb51",
    "index_kinetics",
    "index_ssv2",
    "index_ucf101",
    "list_statistics",
    "merge_lists",
    "normalise",
    "open_manifest",
    "open_video",
    "scan",
    "subset_list",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BadVideoLedger": "rhovideo.data.lists.bad_videos",
        "Batch": "rhovideo.data.loading.batches",
        "ColourAugmentation": "rhovideo.data.augment.colour",
        "EvalCrops": "rhovideo.data.augment.crops",
        "ImageFrames": "rhovideo.data.video.image_frames",
        "IndexedFrames": "rhovideo.data.video.image_frames",
        "ListFormat": "rhovideo.data.curation.source_list",
        "ListStatistics": "rhovideo.data.curation.statistics",
        "Loader": "rhovideo.data.loading.loader",
        "Manifest": "rhovideo.data.lists.manifest",
        "ManifestError": "rhovideo.data.lists.csv_parsing",
        "RandomClipSampler": "rhovideo.data.sampling.clip_samplers",
        "RgbPicture": "rhovideo.data.video.picture.frame",
        "RhoClipSampler": "rhovideo.data.sampling.clip_samplers",
        "ScanReport": "rhovideo.data.loading.scanning",
        "SegmentSampler": "rhovideo.data.sampling.segment_sampler",
        "TorchcodecVideo": "rhovideo.data.video.torchcodec_reader",
        "TrainAugmentation": "rhovideo.data.augment.clip_augmentation",
        "UniformClipSampler": "rhovideo.data.sampling.clip_samplers",
        "Video": "rhovideo.data.video.reader",
        "VideoDataset": "rhovideo.data.loading.datasets",
        "VideoList": "rhovideo.data.lists.video_list",
        "VideoReadError": "rhovideo.data.video.reader",
        "Wanted": "rhovideo.data.curation.filtering",
        "build_augmentation": "rhovideo.data.augment.clip_augmentation",
        "build_clip_sampler": "rhovideo.data.sampling.clip_samplers",
        "build_dataset": "rhovideo.data.loading.datasets",
        "build_loader": "rhovideo.data.loading.loader",
        "filter_list": "rhovideo.data.curation.filtering",
        "index_ava": "rhovideo.data.lists.indexing.official.ava",
        "index_charades": "rhovideo.data.lists.indexing.official.charades",
        "index_diving48": "rhovideo.data.lists.indexing.official.diving48",
        "index_folder": "rhovideo.data.lists.indexing.folder_index",
        "index_hmdb51": "rhovideo.data.lists.indexing.official.three_splits",
        "index_kinetics": "rhovideo.data.lists.indexing.official.kinetics",
        "index_ssv2": "rhovideo.data.lists.indexing.official.something",
        "index_ucf101": "rhovideo.data.lists.indexing.official.three_splits",
        "list_statistics": "rhovideo.data.curation.statistics",
        "merge_lists": "rhovideo.data.curation.merging",
        "normalise": "rhovideo.data.augment.clip_augmentation",
        "open_manifest": "rhovideo.data.loading.datasets",
        "open_video": "rhovideo.data.video.torchcodec_reader",
        "scan": "rhovideo.data.loading.scanning",
        "subset_list": "rhovideo.data.curation.subsets",
    },
)
