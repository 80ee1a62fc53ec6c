"""BYOL over rho clips in PyTorch Lightning (pip install -e '.[lightning]'), on one device or several.

    python examples/lightning_byol.py LIST_OR_FOLDER [--devices 2] [--epochs 10] [--batch 8] ...

A method called as a whole gives one loss, for one backward pass, and keeps the graphs of all clips until then.
`rhovideo run` takes one clip at a time and needs less memory.
"""

import argparse
import os
from functools import partial

try:
    import lightning
except ImportError as error:
    raise SystemExit(f"{error}: write pip install -e '.[lightning]' in the clone of rhovideo") from None
import torch
from pytorchvideo.data import labeled_video_dataset, make_clip_sampler
from torch.utils.data import DataLoader, DistributedSampler

import rhovideo
from rhovideo.data.augment.clip_augmentation import TrainAugmentation
from rhovideo.integrations.pytorchvideo import Views
from rhovideo.models import ProjectionMLP, SyncBatchNorm
from rhovideo.ssl import BYOL

rhovideo.register()


class Pretraining(lightning.LightningModule):
    def __init__(self, method: torch.nn.Module, args: argparse.Namespace) -> None:
        super().__init__()
        self.method, self.args = method, args

    def train_dataloader(self) -> DataLoader:
        args, trainer, path = self.args, self.trainer, os.path.abspath(self.args.data)
        clips, crops = make_clip_sampler("rho", args.rho, 8, 8), TrainAugmentation(args.crop, areas=(0.2, 0.766))
        share = {"num_replicas": trainer.world_size, "rank": trainer.global_rank, "seed": self.current_epoch}
        mine, folder = partial(DistributedSampler, **share), os.path.dirname(path)  # a list's paths may be relative
        videos = labeled_video_dataset(path, clips, mine, Views(8, crops), folder, decode_audio=False)
        return DataLoader(videos, args.batch, num_workers=args.workers, drop_last=True)

    def training_step(self, batch: dict, step: int) -> torch.Tensor:
        loss = self.method(batch["video"], self.current_epoch / self.trainer.max_epochs)
        self.log_dict({"loss": loss, "embedding_std": self.method.signals["embedding_std"]}, prog_bar=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if not self.method.after_backward(self.current_epoch / self.trainer.max_epochs, self.global_step):
            optimizer.zero_grad()  # MoCo's first steps, while its queue fills: without gradients nothing changes

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.method.parameters(), lr=self.args.lr, momentum=0.9)


def main(args: argparse.Namespace) -> None:
    encoder = rhovideo.create_backbone("slow", depth=args.depth, width=args.width)
    projection = ProjectionMLP(encoder.dim, 4096, 256, num_layers=2, norm=SyncBatchNorm)
    method = BYOL(encoder, projection, ProjectionMLP(256, 4096, 256, num_layers=2, norm=SyncBatchNorm))
    how = {"accelerator": args.accelerator, "devices": args.devices, "reload_dataloaders_every_n_epochs": 1}
    trainer = lightning.Trainer(max_epochs=args.epochs, logger=False, enable_checkpointing=False, **how)
    trainer.fit(Pretraining(method, args))
    if not trainer.global_step:
        raise SystemExit(f"{args.data}: fewer videos than the {args.batch} of a batch: write a smaller --batch")
    if trainer.is_global_zero:
        torch.save(encoder.state_dict(), args.out)
        print(f"the encoder's weights are in {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="LIST_OR_FOLDER", help="`path label` a line, or a folder with a folder a class")
    flags = {"out": ("encoder.pt", "file for the encoder's weights"), "accelerator": ("auto", "cpu, gpu or auto")}
    flags |= {"rho": (2, "clips a video"), "epochs": (10, "passes over the videos"), "lr": (0.05, "learning rate")}
    flags |= {"crop": (224, "pixels"), "depth": (50, "layers"), "width": (64, "channels of the first layer")}
    flags |= {"devices": (1, "GPUs, or CPU processes"), "batch": (8, "videos a step and device")}
    for name, (value, what) in {**flags, "workers": (2, "processes that decode, a device")}.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"{what} ({value})")
    main(parser.parse_args())
