"""For torch.hub: the released encoders by their short names, and any other checkpoint.

torch.hub.load("OWNER/rhovideo", "byol_slow_r50_8x8_rho4") is an encoder in eval mode; without a network use a clone:
torch.hub.load("path/to/rhovideo", "byol_slow_r50_8x8_rho4", source="local").
"""

from rhovideo.zoo.catalogue import ENTRIES as _ENTRIES

dependencies = ["torch", "torchvision", "pytorchvideo", "fvcore", "iopath"]


def load_pretrained(source, encoder="online"):
    """The encoder of a checkpoint: its path, URL or short name; see rhovideo.load_pretrained.

    Args:
        source (str): a released checkpoint, one of rhovideo, or PyTorchVideo's model_state.
        encoder (str): "online", or "momentum" for the momentum encoder of MoCo and BYOL.

    Returns:
        A torch.nn.Module in eval mode, normalised clips [N, 3, T, H, W] to features [N, C].
    """
    import rhovideo

    return rhovideo.load_pretrained(source, encoder=encoder)


def load_classifier(source):
    """A classifier with its head, normalised clips [N, 3, T, H, W] to logits [N, K]; see rhovideo.load_classifier."""
    import rhovideo

    return rhovideo.load_classifier(source)


def _entry(released):
    def build(pretrained=True, encoder="online"):
        if pretrained:
            return load_pretrained(released.name, encoder)
        import rhovideo

        cfg = rhovideo.get_cfg()
        cfg.MODEL.ARCH, cfg.RESNET.DEPTH = released.arch, released.depth
        return rhovideo.build_backbone(cfg).eval()

    build.__name__ = released.name
    build.__doc__ = f"""Slow R-{released.depth}, pre-trained by {released.method} on {released.rho} clips of each video
    of Kinetics-400, of {released.frames} frames, one in {released.rate} at 30 a second.

    Args:
        pretrained (bool): with the released weights, downloaded once; False: random ones.
        encoder (str): "online", or "momentum" for the momentum encoder of MoCo and BYOL.

    Returns:
        A torch.nn.Module in eval mode: clips [N, 3, T, H, W], (pixels in 0..1 - 0.45) / 0.225, to features [N, 2048].
    """
    return build


globals().update({released.name: _entry(released) for released in _ENTRIES})
