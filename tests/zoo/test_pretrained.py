"""Loading: from released files and ours, everything or a message that says why not."""

from __future__ import annotations

import contextlib
import logging
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from rhovideo.config import cfg_from_released, get_cfg, load_cfg
from rhovideo.models import build_backbone, build_classifier, build_detector
from rhovideo.ssl.build import METHODS, build_method
from rhovideo.zoo import (
    WeightsError,
    load_classifier,
    load_classifier_weights,
    load_detector,
    load_encoder_weights,
    load_method,
    load_pretrained,
)
from rhovideo.zoo.files.checkpoint_files import read_weights
from rhovideo.zoo.released_format.exporting import export
from rhovideo.zoo.released_format.name_mapping import BLOCKS, encoder_to_released

REFERENCE = Path(__file__).parents[1] / "reference"
LINEAR = REFERENCE / "linear_tiny_epoch_00060.pyth"


def released(name: str) -> Path:
    return REFERENCE / f"{name}_tiny_epoch_00200.pyth"


def file_cfg(path: Path, **resnet):
    cfg = cfg_from_released(torch.load(path, weights_only=True)["cfg"]).clone()
    cfg.defrost()
    cfg.RESNET.merge_from_list([word for pair in resnet.items() for word in pair])
    return cfg


def ours(path: Path, cfg, module: torch.nn.Module, task: str) -> Path:
    cfg = cfg.clone()
    cfg.defrost()
    cfg.TASK = task
    torch.save({"format": "rhovideo", "task": task, "cfg": cfg.dump(), "model_state": module.state_dict()}, path)
    return path


def same_weights(module: torch.nn.Module, other: torch.nn.Module) -> bool:
    states = module.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@pytest.fixture
def clips():
    return torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("path", [*map(released, METHODS), LINEAR], ids=lambda path: path.name.split("_")[0])
def test_released_files_give_an_encoder_in_eval_mode(path, clips):
    encoder = load_pretrained(path)
    assert not any(module.training for module in encoder.modules())
    with torch.no_grad():
        features = encoder(clips)
        assert features.shape == (2, encoder.dim) == (2, 128)
        # Eval mode: a clip's feature does not depend on its batch.
        assert torch.allclose(features[:1], encoder(clips[:1]), rtol=1e-4, atol=1e-4)


def test_the_momentum_encoder_is_another_one():
    online, momentum = load_pretrained(released("byol")), load_pretrained(released("byol"), encoder="momentum")
    assert same_weights(momentum, load_method(released("byol")).momentum_encoder)
    assert not same_weights(momentum, online)
    for path in (released("simclr"), LINEAR):
        with pytest.raises(WeightsError, match="no momentum encoder"):
            load_pretrained(path, encoder="momentum")
    with pytest.raises(WeightsError, match="write online or momentum"):
        load_pretrained(path, encoder="slow")


@pytest.mark.parametrize("kind", METHODS)
def test_our_own_checkpoints_come_back_whole(kind, tmp_path):
    method = load_method(released(kind))
    for value in method.state_dict().values():
        value.add_(1)
    path = ours(tmp_path / "checkpoint.pyth", file_cfg(released(kind)), method, "pretrain")
    assert same_weights(load_method(path), method)
    assert same_weights(load_pretrained(path), method.encoder)
    if kind in ("moco", "byol"):
        assert same_weights(load_pretrained(path, encoder="momentum"), method.momentum_encoder)


def test_our_own_classifier_comes_back(tmp_path):
    cfg = file_cfg(LINEAR)
    classifier = build_classifier(cfg)
    path = ours(tmp_path / "checkpoint.pyth", cfg, classifier, "linear")
    assert same_weights(load_pretrained(path), classifier.encoder)
    other = build_classifier(cfg)
    assert not same_weights(other, classifier)
    load_classifier_weights(other, path, cfg)
    assert same_weights(other, classifier)
    with pytest.raises(WeightsError, match="holds no pre-training method"):
        load_method(path)


def test_a_released_classifier_scores_as_released():
    classifier = build_classifier(file_cfg(LINEAR)).eval()
    load_classifier_weights(classifier, LINEAR, file_cfg(LINEAR))
    reference = torch.load(REFERENCE / "linear_eval.pt", weights_only=True)
    with torch.no_grad():
        scores = classifier.scores((reference["clips_uint8"].float() / 255 - 0.45) / 0.225)
    assert (scores - reference["softmax_eval"]).abs().max() < 1e-5
    with pytest.raises(WeightsError, match="no classifier, only an encoder"):
        load_classifier_weights(classifier, released("moco"), file_cfg(LINEAR))


@pytest.mark.parametrize("named", [True, False])
def test_a_methods_head_of_one_layer_is_no_classifier(named, tmp_path):
    """It has the name of a classifier's there, and as many classes as an embedding has numbers."""
    for kind in ("moco", "swav", "simclr")[: 3 if named else 2]:
        content = torch.load(released(kind), weights_only=True)
        state = content["model_state"]
        last = max(name for name in state if name.startswith("backbone.head.projection."))
        kept = {name: value for name, value in state.items() if not name.startswith("backbone.head.")}
        kept["backbone.head.projection.weight"] = torch.zeros(128, 128)
        kept["backbone.head.projection.bias"] = state[last.rpartition(".")[0] + ".bias"]
        torch.save({"model_state": kept} | ({"cfg": content["cfg"]} if named else {}), tmp_path / "one.pyth")
        with pytest.raises(WeightsError, match="holds no classifier, only an encoder"):
            load_classifier(tmp_path / "one.pyth")


@pytest.mark.parametrize(
    ("pattern", "which", "expected"),
    [
        (("backbone.",), "online", "encoder"),
        ((), "online", "encoder"),
        (("backbone.",), "momentum", "momentum_encoder"),
        (("backbone_hist.",), "online", "momentum_encoder"),
    ],
)
def test_clear_name_pattern_and_encoder_pick_the_weights(pattern, which, expected):
    cfg = file_cfg(released("moco"))
    cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN, cfg.TRAIN.CHECKPOINT_ENCODER = pattern, which
    encoder = build_backbone(cfg)
    load_encoder_weights(encoder, released("moco"), cfg)
    assert same_weights(encoder, getattr(load_method(released("moco")), expected))


def test_the_report_names_every_key(caplog):
    state = torch.load(released("byol"), weights_only=True)["model_state"]
    encoder = build_backbone(file_cfg(released("byol")))
    with caplog.at_level(logging.INFO, "rhovideo"):
        report = load_encoder_weights(encoder, released("byol"), file_cfg(released("byol")))
    assert report.used.keys() | set(report.ignored) == state.keys()
    assert not report.used.keys() & set(report.ignored)
    assert set(report.used.values()) == encoder.state_dict().keys()
    assert report.missing == ()
    assert report.used["backbone.s1.pathway0_stem.conv.weight"] == "blocks.0.conv.weight"
    assert f"{len(report.used)} tensors used" in caplog.text
    assert "backbone_hist" in caplog.text


def test_a_state_dict_is_a_source_too():
    encoder = load_pretrained(released("moco"))
    other = build_backbone(file_cfg(released("moco")))
    load_encoder_weights(other, {f"encoder.{name}": value for name, value in encoder.state_dict().items()})
    assert same_weights(other, encoder)


@pytest.mark.parametrize("arch", ["i3d", "slowfast", "x3d", "s3dg"])
def test_a_state_dict_of_any_architecture_goes_into_an_encoder_that_is_there(arch):
    cfg = get_cfg()
    cfg.MODEL.ARCH, cfg.RESNET.WIDTH_PER_GROUP, cfg.DATA.NUM_FRAMES = arch, 8, 8
    encoder, other = build_backbone(cfg), build_backbone(cfg)
    load_encoder_weights(other, encoder.state_dict())
    assert same_weights(other, encoder)
    if arch in BLOCKS:
        released_names = {encoder_to_released(name, arch): value for name, value in encoder.state_dict().items()}
        other = build_backbone(cfg)
        load_encoder_weights(other, released_names)
        assert same_weights(other, encoder)


def test_another_architecture_is_refused_and_nothing_is_loaded():
    both = {"DEPTH": 18, "WIDTH_PER_GROUP": 8}
    for settings in ({"DEPTH": 101}, {"DEPTH": 18}, {"WIDTH_PER_GROUP": 8}, both):
        own = {"DEPTH": 50, "WIDTH_PER_GROUP": 4}
        differ = " ".join(f"RESNET.{key} {own[key]}" for key in settings)
        cfg = file_cfg(released("moco"), **settings)
        encoder = build_backbone(cfg)
        before = {name: value.clone() for name, value in encoder.state_dict().items()}
        with pytest.raises(WeightsError, match=rf"moco_tiny.*: write {differ}$") as caught:
            load_encoder_weights(encoder, released("moco"), cfg)
        assert "\n" not in str(caught.value)
        assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_an_encoder_that_saw_other_input_is_named(tmp_path, caplog):
    """Its weights fit, and its features would be worth little, without a word."""
    cfg = file_cfg(LINEAR)
    cfg.DATA.STANDARDISE_CLIPS = True
    path = ours(tmp_path / "checkpoint.pyth", cfg, build_classifier(cfg), "linear")
    load_encoder_weights(build_backbone(cfg), path, cfg)
    assert "another input" not in caplog.text
    cfg.DATA.STANDARDISE_CLIPS = False
    load_encoder_weights(build_backbone(cfg), path, cfg)
    assert "another input than is configured: write DATA.STANDARDISE_CLIPS True" in caplog.text


SMALL_DETECTOR = ("RESNET.DEPTH", 18, "RESNET.WIDTH_PER_GROUP", 4, "MODEL.NUM_CLASSES", 3)


@pytest.mark.parametrize("standardised", [True, False])
def test_a_loaded_network_sees_its_clips_as_in_training(standardised, tmp_path):
    cfg, method_cfg = file_cfg(LINEAR), file_cfg(released("byol"))
    cfg.DATA.STANDARDISE_CLIPS = standardised
    method_cfg.defrost()
    method_cfg.DATA.STANDARDISE_CLIPS = standardised
    classifier = ours(tmp_path / "linear.pyth", cfg, build_classifier(cfg), "linear")
    method = load_method(ours(tmp_path / "byol.pyth", method_cfg, load_method(released("byol")), "pretrain"))
    boxes_cfg = load_cfg(None, ["TASK", "detection", *SMALL_DETECTOR, "DATA.STANDARDISE_CLIPS", standardised])
    detector = ours(tmp_path / "boxes.pyth", boxes_cfg, build_detector(boxes_cfg), "detection")
    encoders = [load_pretrained(classifier), load_classifier(classifier).encoder, load_detector(detector).encoder]
    encoders += [method.encoder, method.momentum_encoder]
    assert [encoder.standardises for encoder in encoders] == [standardised] * 5


def test_an_incomplete_encoder_is_refused(tmp_path):
    content = torch.load(released("moco"), weights_only=True)
    del content["model_state"]["backbone.s3.pathway0_res1.branch2.b.weight"]
    torch.save(content, tmp_path / "part.pyth")
    with pytest.raises(WeightsError, match=r"1 are missing, such as blocks\.2\.res_blocks\.1\.branch2\.conv_b\.weight"):
        load_pretrained(tmp_path / "part.pyth")


def test_a_file_without_configuration_is_read_off_its_shapes_unless_a_method_is_wanted(tmp_path):
    content = torch.load(released("moco"), weights_only=True)
    torch.save({"model_state": content["model_state"]}, tmp_path / "bare.pyth")
    for which in ("online", "momentum"):
        assert same_weights(
            load_pretrained(tmp_path / "bare.pyth", encoder=which), load_pretrained(released("moco"), encoder=which)
        )
    with pytest.raises(WeightsError, match="holds no configuration"):
        load_method(tmp_path / "bare.pyth")


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def of_archive(whole: bytes, place: int, value: int) -> bytes:
    """An archive whose first file has another number here: its flags (from 6) or its compression (from 8)."""
    content = bytearray(whole)
    directory = whole.index(b"PK\x01\x02")
    content[place] = content[directory + place + 2] = value
    return bytes(content)


def bad_files(folder: Path) -> dict[str, str]:
    """Files that are no checkpoints, by name, with what the message must say."""
    whole = released("moco").read_bytes()
    middle = len(whole) // 2
    (folder / "truncated.pyth").write_bytes(whole[:middle])
    (folder / "flipped.pyth").write_bytes(
        whole[:middle] + bytes(b ^ 255 for b in whole[middle : middle + 64]) + whole[middle + 64 :]
    )
    (folder / "page.pyth").write_text("\n<!DOCTYPE html><html><title>403 Forbidden</title></html>")
    (folder / "empty.pyth").write_bytes(b"")
    (folder / "text.pyth").write_text("videos/a film in Köln.mp4 3\n" * 40, encoding="utf-8")
    (folder / "pointer.pyth").write_text("version https://git-lfs.github.com/spec/v1\n")
    torch.save({"model_state": {"w": torch.zeros(2)}, "cfg": Payload(folder / "ran")}, folder / "payload.pyth")
    (folder / "pickle.pyth").write_bytes(pickle.dumps({"model_state": Payload(folder / "ran")}, protocol=2))
    (folder / "pickle_4.pyth").write_bytes(pickle.dumps({"model_state": Payload(folder / "ran")}, protocol=4))
    torch.save({"model_state": torch.nn.Linear(2, 2)}, folder / "module.pyth")
    torch.save({"w": torch.nn.Linear(2, 2)}, folder / "old_module.pyth", _use_new_zipfile_serialization=False)
    torch.save({"w": torch.zeros(99)}, folder / "old.pyth", _use_new_zipfile_serialization=False)
    (folder / "old.pyth").write_bytes((folder / "old.pyth").read_bytes()[:300])
    torch.save([torch.zeros(2)], folder / "list.pyth")
    torch.save({"epoch": 3}, folder / "nothing.pyth")
    (folder / "encrypted.pyth").write_bytes(of_archive(whole, 6, 1))
    (folder / "compressed.pyth").write_bytes(of_archive(whole, 8, 99))
    for name, own in (("own", [1]), ("state", {"state": [1]})):
        torch.save(torch.load(released("moco"), weights_only=True) | {"rhovideo": own}, folder / f"{name}.pyth")
    return {
        "truncated": "truncated",
        "flipped": "damaged",
        "page": "web page",
        "empty": "is empty",
        "text": "is a text file and no checkpoint; write the path of a .pyth file",
        "pointer": "`git lfs pull`",
        "payload": "could run code",
        "pickle": "could run code",
        "pickle_4": "could run code",
        "module": "could run code",
        "old_module": "could run code",
        "old": "truncated, damaged",
        "list": "holds a list",
        "nothing": "holds no weights",
        "encrypted": "with a password",
        "compressed": "is compressed",
        "own": "under 'rhovideo' is no dictionary",
        "state": "under 'rhovideo' is no dictionary",
        "absent": "no such file",
    }


def test_every_bad_file_has_one_clear_line_and_runs_no_code(tmp_path):
    for name, words in bad_files(tmp_path).items():
        for load in (load_pretrained, load_method):
            with pytest.raises(WeightsError, match=words) as caught:
                load(tmp_path / f"{name}.pyth")
            assert str(caught.value).startswith(str(tmp_path / f"{name}.pyth"))
            assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("name", "shape"), [("ptr", [4]), ("iter", [0]), ("queue_swav", [5])])
def test_a_counter_or_a_queue_of_another_shape_has_one_clear_line(name, shape, tmp_path):
    content = torch.load(released("moco"), weights_only=True)
    content["model_state"][name] = torch.zeros(shape)
    torch.save(content, tmp_path / "file.pyth")
    with pytest.raises(WeightsError, match=rf"file.pyth: {name} is \[{shape[0]}\]") as caught:
        load_method(tmp_path / "file.pyth")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self/mem").is_file(), reason="there is no file here whose first byte is no byte")
def test_a_file_that_the_disk_does_not_give_has_one_clear_line():
    with pytest.raises(WeightsError, match=r"^/proc/self/mem: cannot be read"):
        load_pretrained("/proc/self/mem")


def test_older_files_and_files_with_numpys_numbers_are_read(tmp_path):
    """Torch's format before 1.6, and rates that were computed with NumPy."""
    content = torch.load(released("moco"), weights_only=True)
    content["optimizer_state"]["param_groups"][0]["lr"] = np.float64(0.1)
    content["epoch"] = np.int64(199)
    for zipped in (True, False):
        torch.save(content, tmp_path / "file.pyth", _use_new_zipfile_serialization=zipped)
        assert same_weights(load_pretrained(tmp_path / "file.pyth"), load_pretrained(released("moco")))


def test_queue_of_a_released_file_is_full_so_training_goes_on():
    method = load_method(released("moco"), form="paper")
    assert method.queue.is_full
    clips = [torch.randn(4, 3, 8, 32, 32) for _ in range(2)]
    for loss in method.losses(clips, 0.0):
        loss.backward()
    assert method.after_backward(0.0, 0)


def test_part_of_a_swav_queue_starts_anew(tmp_path):
    """The released code saves the first process's part; a whole one is taken, a part is left out."""
    content = torch.load(released("swav"), weights_only=True)
    content["cfg"] = content["cfg"].replace("SWAV_QEUE_LEN: 0", "SWAV_QEUE_LEN: 8")
    for rows, full in ((8, True), (4, False)):
        content["model_state"]["queue_swav"] = torch.randn(2, rows, 128)
        torch.save(content, tmp_path / "queue.pyth")
        method = load_method(tmp_path / "queue.pyth")
        assert method.code_queue.is_full == full


def test_get_cfg_alone_builds_every_method():
    """The defaults that a released configuration overrides are not needed."""
    cfg = get_cfg()
    cfg.RESNET.DEPTH, cfg.RESNET.WIDTH_PER_GROUP = 18, 4
    cfg.CONTRASTIVE.LOSS_FORM, cfg.CONTRASTIVE.PREDICTOR_DEPTHS, cfg.CONTRASTIVE.QUEUE_LEN = "paper", [2], 16
    for kind in METHODS:
        cfg.CONTRASTIVE.TYPE = kind
        assert sum(p.numel() for p in build_method(cfg).parameters()) > 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda weight: weight.to_sparse(), "is sparse"),
        (lambda weight: torch.empty_like(weight, device="meta"), "is without values"),
        (lambda weight: weight.to(torch.complex64), "numbers of type complex64"),
        (lambda weight: weight.to(torch.int64), "numbers of type int64"),
        (lambda weight: weight.index_fill(0, torch.tensor([1]), torch.nan), "holds NaN"),
        (lambda weight: weight[:0], "where"),
    ],
)
def test_tensors_that_are_no_weights_are_refused(tmp_path, spoil, said):
    content = torch.load(released("byol"), weights_only=True)
    name = next(name for name in content["model_state"] if name.endswith("pathway0_stem.conv.weight"))
    content["model_state"][name] = spoil(content["model_state"][name])
    torch.save(content, tmp_path / "spoilt.pyth")
    with pytest.raises(WeightsError, match=said):
        load_pretrained(tmp_path / "spoilt.pyth")


@pytest.mark.parametrize(
    "text",
    [
        "RESNET: {WIDTH_PER_GROUP: -1}",
        "RESNET: {SPATIAL_STRIDES: [1]}",
        "MODEL: {ARCH: slowfast}\nSLOWFAST: {BETA_INV: 0}",
    ],
)
def test_a_configuration_that_no_network_has_is_a_line(tmp_path, text):
    torch.save(torch.load(released("byol"), weights_only=True) | {"cfg": text}, tmp_path / "odd.pyth")
    with pytest.raises(WeightsError, match=r"odd.pyth: its network cannot be built"):
        load_pretrained(tmp_path / "odd.pyth")


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(released("byol")) as plain, zipfile.ZipFile(tmp_path / "bomb.pyth", "w") as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
        packed.writestr("archive/data/9999", bytes(1 << 20), zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="is compressed"):
        load_pretrained(tmp_path / "bomb.pyth")


@pytest.mark.parametrize("source", ["a" * 5000, "~nobody-of-this-name/x.pyth", "http://[::1", "a\0b.pyth"])
def test_what_can_be_no_path_is_a_line(source):
    with pytest.raises(WeightsError):
        load_pretrained(source)


def test_an_export_to_nowhere_is_a_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match="a file is where a folder should be"):
        export(LINEAR, tmp_path / "file/out.pyth", encoder="online")


@pytest.mark.parametrize("seed", range(40))
def test_changed_bytes_in_an_archive_are_an_error_of_its_own(tmp_path, seed):
    path = tmp_path / "weights.pyth"
    torch.save({"model_state": {"a": torch.ones(3)}}, path)
    content, rng = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(30):
        content[rng.randrange(len(content) - 400, len(content))] = rng.randrange(256)
    path.write_bytes(content)
    # A change of a byte that nothing is read from leaves a good file.
    with contextlib.suppress(WeightsError):
        read_weights(path)
