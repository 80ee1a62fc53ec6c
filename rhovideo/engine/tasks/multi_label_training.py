"""A classifier in training for videos with several labels each (DATA.MULTI_LABEL)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.nn import functional

from rhovideo.data.loading.loader import Batch
from rhovideo.engine.evaluation.intervals import Numbers
from rhovideo.engine.evaluation.multi_label.label_set_scores import MultiLabelScores, targets_of
from rhovideo.engine.tasks.classifier_training import ClassifyTask


class MultiLabelTask(ClassifyTask):
    """A classifier trained with the binary cross-entropy of each class, as PySlowFast's ``bce_logit``.

    The loss is the mean over videos and classes. A training clip has the labels of its own frames, where the list says
    them; a validation video has all of its labels.
    """

    def _loss(self, logits: Tensor, batch: Batch) -> Tensor:
        targets = targets_of(batch).to(self.device, logits.dtype, non_blocking=True)
        return functional.binary_cross_entropy_with_logits(logits, targets)

    def _measure(self, predictions: Iterator[tuple[Tensor, Batch]]) -> Numbers:
        """``map``, the mean average precision in percent; NaN where no video could be read."""
        # Of one view, whose ranking a sigmoid would not change.
        collected = MultiLabelScores(1, "max")
        for logits, batch in predictions:
            collected.add(batch, logits.float()[:, None])
        result = collected.finish()
        self.validated = len(result.indices)
        return {"map": result.mean_precision}
