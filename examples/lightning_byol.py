"""BYOL over rho clips in PyTorch Lightning (pip install -e '.[lightning]'), on one device.

    python examples/lightning_byol.py LIST_OR_FOLDER [--epochs 10] [--batch 8] ...

A method gives one loss a clip, to be passed back before the next is computed. So the module steps by hand, and on one
device: DistributedDataParallel averages the gradients of a step's first backward alone. `rhovideo run` trains on more.
"""

import argparse
import os

try:
    import lightning
except ImportError as error:
    raise SystemExit(f"{error}: write pip install -e '.[lightning]' in the clone of rhovideo") from None
import torch
from pytorchvideo.data import labeled_video_dataset, make_clip_sampler
from torch.utils.data import DataLoader

import rhovideo
from rhovideo.data.augment.clip_augmentation import TrainAugmentation
from rhovideo.integrations.pytorchvideo import Views
from rhovideo.models import ProjectionMLP, SyncBatchNorm
from rhovideo.ssl.byol import BYOL

rhovideo.register()


class Pretraining(lightning.LightningModule):
    def __init__(self, method: torch.nn.Module, args: argparse.Namespace) -> None:
        super().__init__()
        self.method, self.args = method, args
        self.automatic_optimization = False

    def train_dataloader(self) -> DataLoader:
        args, views = self.args, Views(8, TrainAugmentation(self.args.crop, areas=(0.2, 0.766)))
        path, sampler = os.path.abspath(args.data), make_clip_sampler("rho", args.rho, 8, 8)
        where = {"data_path": path, "video_path_prefix": os.path.dirname(path)}  # for a list's relative paths
        data = labeled_video_dataset(**where, clip_sampler=sampler, transform=views, decode_audio=False)
        return DataLoader(data, args.batch, num_workers=args.workers, drop_last=True)

    def training_step(self, batch: dict, step: int) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        progress, total = self.current_epoch / self.trainer.max_epochs, 0.0
        for loss in self.method.losses(batch["video"], progress):
            self.manual_backward(loss)
            total += loss.item()
        if self.method.after_backward(progress, self.global_step):
            optimizer.step()
        self.log_dict({"loss": total, "embedding_std": self.method.signals["embedding_std"]}, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.method.parameters(), lr=self.args.lr, momentum=0.9)


def main(args: argparse.Namespace) -> None:
    encoder = rhovideo.create_backbone("slow", depth=args.depth, width=args.width)
    projection = ProjectionMLP(encoder.dim, 4096, 256, num_layers=2, norm=SyncBatchNorm)
    method = BYOL(encoder, projection, ProjectionMLP(256, 4096, 256, num_layers=2, norm=SyncBatchNorm))
    trainer = lightning.Trainer(max_epochs=args.epochs, logger=False, enable_checkpointing=False, devices=1)
    trainer.fit(Pretraining(method, args))
    if not trainer.global_step:
        raise SystemExit(f"{args.data}: fewer videos than the {args.batch} of a batch: write a smaller --batch")
    torch.save(encoder.state_dict(), args.out)
    print(f"the encoder's weights are in {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="LIST_OR_FOLDER", help="`path label` a line, or a folder with a folder a class")
    parser.add_argument("--out", default="encoder.pt", help="file to write the encoder's weights to (encoder.pt)")
    parser.add_argument("--lr", type=float, default=0.05, help="learning rate (0.05)")
    numbers = {"rho": (2, "clips a video"), "epochs": (10, "passes over the videos"), "batch": (8, "videos a step")}
    numbers |= {"crop": (224, "pixels"), "depth": (50, "layers"), "width": (64, "channels of the first layer")}
    for name, (value, what) in {**numbers, "workers": (2, "processes that decode")}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{what} ({value})")
    main(parser.parse_args())
