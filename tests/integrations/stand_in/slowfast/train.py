"""The loop: which function of which model it calls, in which order."""

import torch

from slowfast.datasets import kinetics  # noqa: F401  (registers)
from slowfast.datasets.loader import construct_loader
from slowfast.models.build import build_model
from slowfast.models.contrastive import contrastive_forward, contrastive_parameter_surgery
from slowfast.models.losses import get_loss_func


def train(cfg):
    """Train; returns the model, the losses of the steps, whether each was taken, and the last evaluation's accuracy."""
    torch.manual_seed(cfg.RNG_SEED)
    model = build_model(cfg)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=cfg.SOLVER.BASE_LR)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    loader = construct_loader(cfg, "train")
    contrastive = cfg.MODEL.MODEL_NAME == "ContrastiveModel"
    if contrastive and cfg.CONTRASTIVE.KNN_ON and hasattr(model, "init_knn_labels"):
        model.init_knn_labels(loader)
    losses, taken = [], []
    for epoch in range(cfg.SOLVER.MAX_EPOCH):
        if hasattr(loader.dataset, "_set_epoch_num"):
            loader.dataset._set_epoch_num(epoch)
        model.train()
        for step, (inputs, labels, index, time, _) in enumerate(loader):
            epoch_exact = epoch + step / len(loader)
            optimizer.zero_grad()
            backward = True
            if contrastive:
                model, preds, loss, backward = contrastive_forward(model, cfg, inputs, index, time, epoch_exact, scaler)
            else:
                preds = model(inputs)
                loss = get_loss_func(cfg.MODEL.LOSS_FUNC)(reduction="mean")(preds, labels)
            if backward:
                scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            model, update = contrastive_parameter_surgery(model, cfg, epoch_exact, step)
            if update:
                scaler.step(optimizer)
            scaler.update()
            assert preds.shape[1] >= 5
            losses.append(loss.item())
            taken.append(update)
    return (
        model,
        losses,
        taken,
        evaluate(cfg, model) if cfg.CONTRASTIVE.KNN_ON and hasattr(model, "train_labels") else None,
    )


@torch.no_grad()
def evaluate(cfg, model):
    """Share of the validation videos whose nearest training video is of their class."""
    model.eval()
    right = []
    for inputs, labels, index, time, _ in construct_loader(cfg, "val"):
        _, nearest = model(inputs, index, time)
        right.append(model.train_labels[nearest[:, 0]] == labels)
    return torch.cat(right).float().mean().item()
