"""MoCo on PyTorchVideo's data set, in a loop of one's own: no engine and no configuration of rhovideo's.

    python examples/pytorchvideo_moco.py LIST_OR_FOLDER    (on a CPU: --depth 18 --width 16 --crop 64 --queue 64)

One device, so MoCo's shuffling of batch norm is left out, which needs several processes to shuffle between.
"""

import argparse
import os

import torch
from pytorchvideo.data import labeled_video_dataset, make_clip_sampler
from torch.utils.data import DataLoader

import rhovideo
from rhovideo.data.augment.clip_augmentation import TrainAugmentation
from rhovideo.data.augment.colour import ColourAugmentation
from rhovideo.integrations.pytorchvideo import Views
from rhovideo.models import ProjectionMLP
from rhovideo.ssl.losses import multi_positive_nce, unit
from rhovideo.ssl.memory.momentum import MomentumUpdate, momentum_copy
from rhovideo.ssl.memory.queue import Queue

rhovideo.register()


def videos(args: argparse.Namespace) -> DataLoader:
    colour = ColourAugmentation((0.6, 0.6, 0.6), hue=0.15, grey_prob=0.2)
    augmentation = TrainAugmentation(args.crop, areas=(0.2, 0.766), colour=colour)
    path, sampler = os.path.abspath(args.data), make_clip_sampler("rho", args.rho, 8, 8)
    where = {"data_path": path, "video_path_prefix": os.path.dirname(path)}  # for a list's relative paths
    data = labeled_video_dataset(**where, clip_sampler=sampler, transform=Views(8, augmentation), decode_audio=False)
    return DataLoader(data, args.batch, num_workers=args.workers, drop_last=True)


def main(args: argparse.Namespace) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = rhovideo.create_backbone("slow", depth=args.depth, width=args.width)
    model = torch.nn.Sequential(encoder, ProjectionMLP(encoder.dim, 2048, 128, num_layers=3)).to(device)
    slow, momentum = momentum_copy(model), MomentumUpdate(0.994).to(device)
    queue = Queue(args.queue, 128).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=1e-4)
    total = None
    for epoch in range(args.epochs):
        for batch in videos(args):
            views = [view.to(device) for view in batch["video"]]
            momentum.begin_step([slow], [model], progress=epoch / args.epochs)
            with torch.no_grad():
                keys = torch.stack([unit(slow(view)) for view in views])
            total = 0.0
            for i, view in enumerate(views):  # every clip is a query once, the others are its positives
                others = torch.cat([keys[:i], keys[i + 1 :]])
                loss = multi_positive_nce(unit(model(view)), others, queue.keys, temperature=0.1) / len(views)
                loss.backward()
                total += loss.item()
            momentum.end_step()
            if queue.is_full:  # of random vectors until then, which are no negatives
                optimizer.step()
            optimizer.zero_grad()
            for clip in keys:
                queue.enqueue(clip)
            print(f"epoch {epoch + 1}: loss {total:.4f}", "" if queue.is_full else "(no step: the queue fills)")
    if total is None:
        raise SystemExit(f"{args.data}: fewer videos than the {args.batch} of a batch: write a smaller --batch")
    torch.save(encoder.state_dict(), args.out)
    print(f"the encoder's weights are in {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="LIST_OR_FOLDER", help="`path label` a line, or a folder with a folder a class")
    parser.add_argument("--out", default="encoder.pt", help="file to write the encoder's weights to (encoder.pt)")
    parser.add_argument("--lr", type=float, default=0.05, help="learning rate (0.05)")
    numbers = {"rho": (2, "clips a video"), "epochs": (10, "passes over the videos"), "batch": (8, "videos a step")}
    numbers |= {"queue": (1024, "negatives, a multiple of the batch"), "crop": (224, "pixels"), "depth": (50, "layers")}
    numbers |= {"width": (64, "channels of the first layer"), "workers": (2, "processes that decode")}
    for name, (value, what) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{what} ({value})")
    main(parser.parse_args())
