"""From studies to jobs: each training once, with what is measured of it."""

import os

import pytest

from rhovideo.config import ConfigError
from rhovideo.errors import JobError
from rhovideo.launch.chains import checkpoint_source
from rhovideo.studies.data_sets import DataSets, read_data_words
from rhovideo.studies.job_names import digest
from rhovideo.studies.jobs import Request, make_study
from rhovideo.studies.listing import show_plan
from rhovideo.studies.study_file import find_studies
from rhovideo.studies.study_reader import read_study_file

SMALL = ("NUM_GPUS", 0, "NUM_CPU_PROCESSES", 1)


def write_lists(folder, videos=8, classes=2):
    folder.mkdir(parents=True)
    for split in ("train", "val", "test"):
        (folder / f"{split}.csv").write_text("".join(f"{split}{n}.mp4 {n % classes}\n" for n in range(videos)))
    return folder


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    folders = {"K400": write_lists(tmp_path / "k400")}
    for split in (1, 2, 3):
        write_lists(tmp_path / f"ucf101/split{split}")
        write_lists(tmp_path / f"hmdb51/split{split}")
    return folders | {"UCF101": tmp_path / "ucf101", "HMDB51": tmp_path / "hmdb51"}


def study(tmp_path, names=("table2",), folders=None, **request):
    files = [read_study_file(path) for path in find_studies(names)]
    sets = DataSets(folders or {}, tmp_path / "out/lists")
    return make_study(files, Request(tmp_path / "out", sets, overrides=SMALL, **request))


def own(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    return [str(tmp_path / "mine.yaml")]


def folders_of(plan):
    return {str(job.cfg.OUTPUT_DIR) for job in plan.jobs}


def record_of(record, row, column, measure, table=0):
    return next(
        cell for cell in record.tables[table].cells if (cell.row, cell.column, cell.measure) == (row, column, measure)
    )


def test_each_cell_of_table_2_is_a_chain_of_a_training_and_its_measurements(tmp_path, data):
    plan, record = study(tmp_path, folders=data)
    assert len(plan.cells) == 16
    assert all([job.cfg.TASK for job in cell.jobs] == ["pretrain", "linear", "finetune"] for cell in plan.cells)
    for cell in plan.cells:
        training = cell.jobs[0].cfg.OUTPUT_DIR
        assert checkpoint_source(cell.jobs, 1) == ("TRAIN.CHECKPOINT_FILE_PATH", tmp_path / training)
    found = record_of(record, "3", "BYOL", "U")
    job = next(each for each in plan.jobs if str(each.cfg.OUTPUT_DIR).endswith(found.runs[0][0]))
    # The first split, with the protocol of UCF101; the classes are those of the lists.
    assert str(job.cfg.DATA.PATH_TO_DATA_DIR).endswith("ucf101/split1")
    assert (job.cfg.SOLVER.MAX_EPOCH, job.cfg.MODEL.DROPOUT_RATE, job.cfg.MODEL.NUM_CLASSES) == (200, 0.8, 2)
    chain = next(cell for cell in plan.cells if job in cell.jobs)
    assert (chain.jobs[0].cfg.CONTRASTIVE.TYPE, chain.jobs[0].cfg.DATA.TRAIN_CROP_NUM_TEMPORAL) == ("byol", 3)


def test_a_training_that_tables_share_is_one_job(tmp_path, data):
    plan, record = study(tmp_path, ["table2", "table3"], data)
    for method in ("SimCLR", "SwAV", "BYOL", "MoCo"):
        assert record_of(record, "2", method, "K").runs == record_of(record, "200", method, "K", table=1).runs
    alone = [study(tmp_path, [name], data)[0] for name in ("table2", "table3")]
    assert len(plan.cells) == len(alone[0].cells) + len(alone[1].cells) - 4
    assert folders_of(plan) == folders_of(alone[0]) | folders_of(alone[1])


def test_no_two_cells_of_a_table_are_the_same_run(tmp_path, data):
    for name in ("table2", "table3", "table7", "table8", "table15", "figure3", "figure5"):
        plan, record = study(tmp_path, [name], data)
        runs = [str(cell.runs) for cell in record.tables[0].cells]
        assert len(set(runs)) == len(runs), name
        assert len(folders_of(plan)) == len(plan.jobs)


def test_seeds_are_apart_and_the_machine_is_not_in_the_names(tmp_path, data):
    plan, record = study(tmp_path, folders=data, seeds=(1, 2), only=["2/BYOL/K"])
    assert len(plan.cells) == 2
    assert sorted(cell.jobs[0].cfg.RNG_SEED for cell in plan.cells) == [1, 2]
    assert [cell.jobs[1].cfg.RNG_SEED for cell in plan.cells] == [cell.jobs[0].cfg.RNG_SEED for cell in plan.cells]
    assert len(record_of(record, "2", "BYOL", "K").runs) == 2
    cfg = plan.jobs[0].cfg.clone()
    cfg.defrost()
    before = digest(cfg, "K400")
    cfg.DATA_LOADER.NUM_WORKERS, cfg.OUTPUT_DIR, cfg.DATA.PATH_TO_DATA_DIR = 3, "other", "elsewhere"
    assert digest(cfg, "K400") == before
    assert digest(cfg, "K600") != before
    cfg.SOLVER.WEIGHT_DECAY = 0.5
    assert digest(cfg, "K400") != before


def test_only_some_cells_are_run_and_all_are_in_the_record(tmp_path, data):
    plan, record = study(tmp_path, folders=data, only=["*/MoCo/K", "1/BYOL"])
    assert sorted(len(cell.jobs) for cell in plan.cells) == [2, 2, 2, 2, 3]
    assert len(record.tables[0].cells) == 32
    assert all(cell.runs for cell in record.tables[0].cells)
    with pytest.raises(ConfigError, match="no cell is called 9/MoCo"):
        study(tmp_path, folders=data, only=["9/MoCo"])


def test_what_has_no_data_is_left_out_and_said(tmp_path, data):
    plan, record = study(tmp_path, folders={"K400": data["K400"]})
    assert {cell.left_out for cell in record.tables[0].cells if cell.measure == "U"} == {"needs UCF101"}
    assert all([job.cfg.TASK for job in cell.jobs] == ["pretrain", "linear"] for cell in plan.cells)
    plan, record = study(tmp_path, folders={"UCF101": data["UCF101"]})
    assert not plan.cells
    assert {cell.left_out for cell in record.tables[0].cells} == {"needs K400"}


def test_three_splits_are_three_jobs_of_one_number(tmp_path, data):
    plan, record = study(tmp_path, ["table11"], data, only=["R-50, 8×8"])
    assert [len(cell.jobs) for cell in plan.cells] == [8]
    runs = record_of(record, "R-50, 8×8", "", "H").runs
    assert [len(splits) for splits in runs] == [3]
    lists = {job.cfg.DATA.PATH_TO_DATA_DIR.rpartition("/")[2] for job in plan.jobs if "HMDB51" in job.file}
    assert lists == {"split1", "split2", "split3"}


def test_a_subset_is_drawn_once_and_trained_on(tmp_path, data):
    text = """
TITLE: Fewer videos
SET: {RECIPE: demo/simclr}
ROWS: {few: {TRAIN_ON: K400-5}, all: {TRAIN_ON: K400}}
SUBSETS: {K400-5: {OF: K400, VIDEOS: 5}}
MEASURE: {K: K400 linear}
"""
    plan, _ = study(tmp_path, own(tmp_path, text), data)
    drawn = tmp_path / "out/lists/K400-5"
    assert len((drawn / "train.csv").read_text().splitlines()) == 5
    assert (drawn / "val.csv").is_file()
    assert {job.cfg.DATA.PATH_TO_DATA_DIR for job in plan.jobs if job.cfg.TASK == "pretrain"} == {
        str(drawn),
        str(data["K400"]),
    }
    again = (drawn / "train.csv").stat().st_mtime_ns
    study(tmp_path, own(tmp_path, text), data)
    assert (drawn / "train.csv").stat().st_mtime_ns == again


def test_random_weights_are_measured_without_a_training(tmp_path, data):
    text = """
TRAIN_ON: K400
SET: {RECIPE: demo/simclr}
ROWS: {scratch: {START: random}, trained: {}}
MEASURE: {U: UCF101 finetune, H: HMDB51 finetune, K: K400 linear}
"""
    plan, record = study(tmp_path, own(tmp_path, text), data)
    tasks = [[job.cfg.TASK for job in cell.jobs] for cell in plan.cells]
    # Each of random weights is alone: none may take what another has trained.
    assert tasks == [["pretrain", "finetune", "finetune", "linear"], ["finetune"], ["finetune"], ["linear"]]
    sources = [checkpoint_source(cell.jobs, number) for cell in plan.cells[1:] for number in range(len(cell.jobs))]
    assert sources == [None, None, None]
    assert record_of(record, "scratch", "", "U").pretraining == [""]


@pytest.mark.parametrize(("name", "protocol"), [("train.csv", "linear"), ("train.csv", "ava"), ("val.csv", "ava")])
def test_a_pipe_is_no_list(tmp_path, data, name, protocol):
    piped = write_lists(tmp_path / "piped")
    (piped / name).unlink()
    os.mkfifo(piped / name)
    text = f"TRAIN_ON: K400\nROWS: {{a: {{RECIPE: demo/simclr}}}}\nMEASURE: {{M: Mine {protocol}}}\n"
    with pytest.raises((JobError, ConfigError)):
        study(tmp_path, own(tmp_path, text), {**data, "Mine": piped})


def test_two_files_of_one_name_are_refused(tmp_path, data):
    text = "TRAIN_ON: K400\nROWS: {a: {RECIPE: demo/simclr}}\nMEASURE: {K: K400 linear}\n"
    (tmp_path / "other").mkdir()
    paths = [*own(tmp_path, text), *own(tmp_path / "other", text)]
    with pytest.raises(ConfigError, match=r"mine\.yaml has this name too"):
        study(tmp_path, paths, data)


def test_trainings_of_a_recipe_beside_the_study_are_counted(tmp_path, data, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text("TASK: pretrain\n")
    text = "TRAIN_ON: K400\nROWS: {a: {RECIPE: recipe.yaml}, b: {RECIPE: demo/simclr}}\nMEASURE: {K: K400 linear}\n"
    show_plan(*study(tmp_path, own(tmp_path, text), data))
    assert "4 jobs in 2 chains: 2 trainings, 2 measurements" in capsys.readouterr().err


def test_an_override_of_what_cells_differ_in_is_refused(tmp_path, data):
    files = [read_study_file(path) for path in find_studies(["table2"])]
    request = Request(tmp_path, DataSets(data, tmp_path / "lists"), overrides=["DATA.TRAIN_CROP_NUM_TEMPORAL", "2"])
    with pytest.raises(ConfigError, match=r"(?s)is 1 for a cell of table2 .*table2\.yaml:6"):
        make_study(files, request)


def test_a_wrong_value_is_named_with_its_place_in_the_study(tmp_path, data):
    text = """
TRAIN_ON: K400
SET: {RECIPE: demo/simclr}
ROWS:
  a: {SOLVER.MAX_EPOCH: many}
MEASURE: {K: K400 linear}
"""
    with pytest.raises(ConfigError, match=r"mine\.yaml:5: SOLVER\.MAX_EPOCH"):
        study(tmp_path, own(tmp_path, text), data)


def test_a_recipe_that_does_not_exist_is_named(tmp_path, data):
    text = "TRAIN_ON: K400\nSET: {RECIPE: demo/simclear}\nROWS: {a: {}}\nMEASURE: {K: K400 linear}\n"
    with pytest.raises(ConfigError, match="demo/simclear"):
        study(tmp_path, own(tmp_path, text), data)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["K400"], "NAME=FOLDER"),
        (["K400=/nowhere/at/all"], "there is no folder"),
        (["K400=.", "K400=."], "given twice"),
    ],
)
def test_wrong_data_are_refused(words, says):
    with pytest.raises(ConfigError, match=says):
        read_data_words(words)
