"""Networks that take a list of pathways, and the two functions through which the loop trains a contrastive model."""

import torch
from torch import nn

from .build import MODEL_REGISTRY


class Head(nn.Module):
    def __init__(self, cfg, dim):
        super().__init__()
        self.projection = nn.Linear(dim, cfg.MODEL.NUM_CLASSES)
        depths = cfg.CONTRASTIVE.PREDICTOR_DEPTHS
        self.predictors = nn.ModuleList([nn.Linear(cfg.MODEL.NUM_CLASSES, cfg.MODEL.NUM_CLASSES) for _ in depths])
        self.act = nn.Softmax(dim=1)

    def forward(self, x):
        x = self.projection(x)
        predictions = [predictor(x) for predictor in self.predictors]
        if not self.training and self.act is not None:
            x = self.act(x)
        return [x, *predictions] if predictions else x


class Network(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.pathways = 2 if cfg.MODEL.ARCH in cfg.MODEL.MULTI_PATHWAY_ARCH else 1
        self.s1 = nn.ModuleList([nn.Conv3d(3, 4, (1, 3, 3), stride=2) for _ in range(self.pathways)])
        self.norm = nn.BatchNorm1d(4 * self.pathways)
        self.head = Head(cfg, 4 * self.pathways)

    def forward(self, x):
        assert len(x) == self.pathways
        maps = [stem(pathway).relu().mean(dim=(2, 3, 4)) for stem, pathway in zip(self.s1, x, strict=True)]
        return self.head(self.norm(torch.cat(maps, dim=1)))


_MODEL_TYPES = {"slow": Network, "slowfast": Network}


@MODEL_REGISTRY.register()
def Classifier(cfg):
    return Network(cfg)


@MODEL_REGISTRY.register()
class ContrastiveModel(nn.Module):
    """Pulls all clips of a video together."""

    def __init__(self, cfg):
        super().__init__()
        self.backbone = _MODEL_TYPES[cfg.MODEL.ARCH](cfg)

    def forward(self, clips, index=None, time=None, epoch_exact=None):
        assert time.shape == (len(index), len(clips), 3)
        outputs = torch.stack([self.backbone(clip) for clip in clips])
        return outputs[0], outputs.var(dim=0).mean()


def contrastive_forward(model, cfg, inputs, index, time, epoch_exact, scaler):
    preds, loss = model(inputs, index, time, epoch_exact)
    return model, preds, loss, True


def contrastive_parameter_surgery(model, cfg, epoch_exact, cur_iter):
    return model, True
