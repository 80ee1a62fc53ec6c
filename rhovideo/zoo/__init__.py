"""Released checkpoints, and ours: names of their tensors and loading them."""

from rhovideo.zoo.files import WeightsError
from rhovideo.zoo.loading import load_classifier_weights, load_encoder_weights, load_method, load_pretrained

__all__ = ["WeightsError", "load_classifier_weights", "load_encoder_weights", "load_method", "load_pretrained"]
