"""A check that PySlowFast can be imported, with the remedy if it cannot."""

from __future__ import annotations

from importlib import import_module

_NEEDED = (
    "slowfast.config.defaults",
    "slowfast.models.contrastive",
    "slowfast.models.losses",
    "slowfast.datasets.decoder",
    "slowfast.datasets.video_container",
)
_REMEDIES = {
    "slowfast": "PySlowFast is not installed: clone https://github.com/facebookresearch/SlowFast and put that folder "
    "on PYTHONPATH",
    "detectron2": "install detectron2 from https://github.com/facebookresearch/detectron2",
    "pytorchvideo": "PyTorchVideo's release on PyPI is older than PySlowFast needs: install it from "
    "https://github.com/facebookresearch/pytorchvideo",
    "torchvision.transforms.functional_tensor": "this torchvision is newer than that PyTorchVideo: "
    "put `from torchvision.transforms import functional` in the place of that import",
    "sklearn": "pip install scikit-learn",
}


def require_slowfast() -> None:
    """Raise ImportError, with what to install, unless the modules of PySlowFast that ours go into can be imported."""
    for name in _NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            raise ImportError(_explain(error)) from error


def _explain(error: ImportError) -> str:
    lacking = error.name or ""
    wanted = [name for name in _REMEDIES if lacking == name or lacking.startswith(f"{name}.")]
    remedy = _REMEDIES[max(wanted, key=len)] if wanted else f"install {lacking}" if lacking else "see the error above"
    if lacking == "slowfast":
        return f"rhovideo.integrations.slowfast: {remedy}"
    return f"rhovideo.integrations.slowfast: PySlowFast cannot be imported ({error}): {remedy}"
