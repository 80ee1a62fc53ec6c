"""Our augmentation beside torchvision's: what each operation does to images, and how its parameters are spread."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from rhovideo.data.augment import colour
from rhovideo.data.augment.clip_augmentation import TrainAugmentation
from rhovideo.data.augment.colour import ColourAugmentation
from rhovideo.data.video.picture.box import Box
from tests.data.augment.test_colour import textured_clip
from tests.data.augment.test_crops import resize_box

HEIGHT, WIDTH, SIZE = 256, 340, 224
AREAS, ASPECTS = (0.2, 0.766), (0.75, 1.3333)
STRENGTHS, HUE, SIGMA = (0.6, 0.5, 0.4), 0.15, (0.1, 2.0)
DRAWS = 12_000
# Two samples of one law differ by more than this once in a thousand times; seeds are fixed, so it never happens anew.
UNLIKELY = 1e-3
BOX = Box(31, 17, 180, 240)
# Of each operation: ours on a clip; torchvision's on one image [3,H,W] of 0 to 1; the mean absolute error allowed, in
# grey levels. Rounding alone gives 0.25, a mean rounded first (contrast) and hues of 256 steps a little more.
OPERATIONS = {
    "crop": (
        lambda clip: resize_box(clip, BOX, SIZE, SIZE),
        lambda x: tv.resized_crop(x, *BOX, [SIZE, SIZE], antialias=False),
        0.3,
    ),
    "flipped crop": (
        lambda clip: resize_box(clip, BOX, SIZE, SIZE, flip=True),
        lambda x: tv.horizontal_flip(tv.resized_crop(x, *BOX, [SIZE, SIZE], antialias=False)),
        0.3,
    ),
    "brightness": (lambda clip: colour.adjust_brightness(clip, 1.4), lambda x: tv.adjust_brightness(x, 1.4), 0.3),
    "darkness": (lambda clip: colour.adjust_brightness(clip, 0.5), lambda x: tv.adjust_brightness(x, 0.5), 0.3),
    "contrast": (lambda clip: colour.adjust_contrast(clip, 1.5), lambda x: tv.adjust_contrast(x, 1.5), 0.4),
    "saturation": (lambda clip: colour.adjust_saturation(clip, 1.4), lambda x: tv.adjust_saturation(x, 1.4), 0.3),
    "hue": (lambda clip: colour.adjust_hue(clip, 0.12), lambda x: tv.adjust_hue(x, 0.12), 0.6),
    "grey": (colour.to_grey, lambda x: tv.rgb_to_grayscale(x, 3), 0.3),
    "blur": (
        lambda clip: colour.gaussian_blur(clip, 1.3),
        lambda x: tv.gaussian_blur(x, [9, 9], [1.3, 1.3]),
        0.3,
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_does_to_images_what_torchvisions_does(name):
    ours, theirs, allowed = OPERATIONS[name]
    clip = textured_clip(shape=(1, HEIGHT, WIDTH))
    image = torch.from_numpy(clip[0]).permute(2, 0, 1).double() / 255
    expected = theirs(image).permute(1, 2, 0).numpy() * 255
    assert np.abs(ours(clip)[0] - expected).mean() <= allowed
    # The bound tells the operation from leaving it out.
    if expected.shape == clip.shape[1:]:
        assert np.abs(clip[0] - expected).mean() > 3 * allowed


def our_operations(**keys):
    """What is drawn for many clips: of each {function: amount or None}, in the order of application."""
    augmentation = ColourAugmentation(strengths=STRENGTHS, hue=HUE, blur_sigma=SIGMA, grey_prob=0.2, **keys)
    rng = np.random.default_rng(5)
    return [{function: next(iter(amounts), None) for function, amounts in augmentation.draw(rng)} for _ in range(DRAWS)]


def test_crops_are_spread_as_torchvisions():
    augmentation = TrainAugmentation(SIZE, areas=AREAS, aspects=ASPECTS)
    rng = np.random.default_rng(7)
    ours = np.array([augmentation.draw_box(HEIGHT, WIDTH, rng) for _ in range(DRAWS)])
    torch.manual_seed(7)
    transform, image = v2.RandomResizedCrop(SIZE, scale=AREAS, ratio=ASPECTS), torch.zeros(3, HEIGHT, WIDTH)
    drawn = [transform.make_params([image]) for _ in range(DRAWS)]
    theirs = np.array([[params[name] for name in Box._fields] for params in drawn])

    def measures(boxes):
        top, left, height, width = boxes.T
        return {"area": height * width, "aspect": width / height, "top": top, "left": left, "right": left + width}

    for name, values in measures(ours).items():
        assert stats.ks_2samp(values, measures(theirs)[name]).pvalue > UNLIKELY, name


def test_strengths_and_their_order_are_spread_as_torchvisions():
    ours = our_operations(jitter_prob=1.0)
    torch.manual_seed(8)
    transform = v2.ColorJitter(*STRENGTHS, HUE)
    theirs = [transform.make_params([]) for _ in range(DRAWS)]
    functions = (colour.adjust_brightness, colour.adjust_contrast, colour.adjust_saturation, colour.adjust_hue)
    for function in functions:
        name = f"{function.__name__.removeprefix('adjust_')}_factor"
        amounts = [clip[function] for clip in ours], [params[name] for params in theirs]
        assert stats.ks_2samp(*amounts).pvalue > UNLIKELY, name
    orders = (
        [tuple(functions.index(function) for function in clip if function in functions) for clip in ours],
        [tuple(params["fn_idx"].tolist()) for params in theirs],
    )
    counts = [[side.count(order) for order in sorted({*orders[0], *orders[1]})] for side in orders]
    assert stats.chi2_contingency(counts).pvalue > UNLIKELY


def test_blur_is_spread_as_torchvisions():
    torch.manual_seed(9)
    transform = v2.GaussianBlur(13, SIGMA)
    theirs = [transform.make_params([])["sigma"][0] for _ in range(DRAWS)]
    ours = [clip[colour.gaussian_blur] for clip in our_operations(blur_prob=1.0)]
    assert stats.ks_2samp(ours, theirs).pvalue > UNLIKELY


def test_operations_happen_as_often_as_torchvisions():
    torch.manual_seed(10)
    ours = our_operations(jitter_prob=0.8, blur_prob=0.5)
    images = torch.arange(12.0).reshape(3, 2, 2)
    chances = {colour.adjust_hue: 0.8, colour.to_grey: 0.2, colour.gaussian_blur: 0.5}
    for function, probability in chances.items():
        negative = v2.RandomApply([v2.Lambda(torch.neg)], probability)
        theirs = sum(bool((negative(images) < 0).any()) for _ in range(DRAWS))
        hits = sum(function in clip for clip in ours)
        assert stats.fisher_exact([[hits, DRAWS - hits], [theirs, DRAWS - theirs]]).pvalue > UNLIKELY, function
