"""Our data set, methods and decoder inside PySlowFast: one import at the top of the script that is started.

::

    import rhovideo.integrations.slowfast  # in tools/run_net.py, for example

The import calls :func:`register`, which may be called again. Then a PySlowFast configuration may have

========================================  ==============================================================================
``TRAIN.DATASET: rhovideo``               rho clips of each video by :mod:`rhovideo.data`, for our methods, for
                                          PySlowFast's own ContrastiveModel, and for classifiers
``MODEL.MODEL_NAME: RhoMoCo``             (or RhoBYOL, RhoSimCLR, RhoSwAV) our methods on PySlowFast's networks
``MODEL.LOSS_FUNC: rho_contrastive``      SimCLR's loss over rho clips, for any model that gives embeddings; its
                                          temperature is CONTRASTIVE.T, its data TRAIN.DATASET rhovideo
``CONTRASTIVE.LOSS_FORM: paper``          and the other keys that only our schema has
========================================  ==============================================================================

and ``tools/train_net.train(cfg)`` trains. PySlowFast's own data sets work too: its decoding raises an error on every
clip with PyAV, and needs a reader that torchvision has removed, so it is replaced by ours.

With NUM_GPUS > 1, each new process imports the top of the script, and so this module. A call below
``if __name__ == "__main__"`` would not reach it.
"""

from __future__ import annotations

from rhovideo.integrations.slowfast.requirements import require_slowfast

__all__ = ["register"]


def register(decoding: bool = True) -> None:
    """Put our parts into PySlowFast's builders; a second call changes nothing but the decoding.

    Args:
        decoding: use our decoding in PySlowFast's data sets too; False gives theirs back.

    Raises:
        ImportError: PySlowFast cannot be imported; the message has what is missing.
    """
    require_slowfast()
    from rhovideo.integrations.slowfast.registration import put_in

    put_in(decoding)


register()
