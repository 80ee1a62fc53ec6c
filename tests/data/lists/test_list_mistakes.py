"""A file that is no list of `path label`, or written in another way, gets a sentence of its own."""

from __future__ import annotations

import pytest

from rhovideo.data.lists.any_list import open_any_list
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.multi_label.video_lists import LabelSetManifest

KINETICS = "label,youtube_id,time_start,time_end,split\n"


@pytest.fixture
def opened(tmp_path):
    """Open a list with this text; paths and labels."""

    def open_it(text: str | bytes, separator: str = " ", kind=Manifest.open, **how) -> list[tuple[str, int]]:
        (tmp_path / "list.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        manifest = kind(tmp_path / "list.csv", separator=separator, cache_dir=tmp_path / "cache", **how)
        return [(manifest.written_path(row), manifest.label(row)) for row in range(len(manifest))]

    return open_it


@pytest.mark.parametrize("separator", [" ", ","])
@pytest.mark.parametrize(
    ("text", "said", "write"),
    [
        (KINETICS + "air guitar,bbbbbbbbbbb,84,94,validate\n", "annotation list of Kinetics", "--kinetics CSV"),
        ('"label","youtube_id","time_start"\n"a","bbbbbbbbbbb",84\n', "annotation list of Kinetics", "--kinetics CSV"),
        ("air guitar,bb-bbb_bbbb,84,94,train\n", "annotation list of Kinetics", "--kinetics CSV"),
        ("-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1\n", "annotation list of AVA", "--ava FOLDER"),
        ("id,subject,scene,quality,relevance,verified,script,actions\n", "list of Charades", "--charades FOLDER"),
        ('{"a.mp4": 0, "b.mp4": 1}\n', "is JSON", "rhovideo index FOLDER"),
        ('[\n  {"path": "a.mp4"}\n]\n', "is JSON", "rhovideo index FOLDER"),
        ("<!DOCTYPE html>\n<html>\n", "HTML or XML page", "text file"),
        ("path,label\na.mp4,0\n", "'path,label' is a header", "DATA.SKIP_ROWS 1"),
        ("\ufeffpath,label\r\na.mp4,0\r\n", "'path,label' is a header", "DATA.SKIP_ROWS 1"),
        ("\n# Video label\na.mp4 0\n", "is a header", "DATA.SKIP_ROWS 2"),
        ("filename\na.mp4\n", "'filename' is a header", "DATA.SKIP_ROWS 1"),
        (",path,label\n0,a.mp4,0\n", "header of 3 columns", "two, path and label"),
        ('"my video.mp4",3\n"a.mp4",0\n', "has its path in quotes", "write 'my video.mp4,3'"),
        ("'a.mp4' 3\n", "has its path in quotes", "write 'a.mp4 3'"),
        ('"my video.mp4"\n', "has its path in quotes", "write 'my video.mp4'"),
        ("C:\\videos\\a.mp4 0\n", "path of Windows", "DATA.PATH_PREFIX"),
        ("D:/videos/a.mp4,0\n", "path of Windows", "DATA.PATH_PREFIX"),
        ("\\\\server\\videos\\a.mp4 0\n", "path of Windows", "DATA.PATH_PREFIX"),
        ("a.mp4;0\nb.mp4;1\n", "between path and label", "DATA.PATH_LABEL_SEPARATOR to ';'"),
        ("a.mp4\t0\n", "between path and label", r"DATA.PATH_LABEL_SEPARATOR to '\t'"),
        ("clips/a\t0\nclips/b\t1\n", "between path and label", r"DATA.PATH_LABEL_SEPARATOR to '\t'"),
        ("a.mp4,10,3\n", "has 3 columns", "-F ','"),
        ("a.mp4,archery,3\n", "has 3 columns", "-F ','"),
        ("0,a.mp4\n3,b.mp4\n", "label before the path", "the path first"),
    ],
)
def test_a_first_row_says_what_the_file_is(opened, tmp_path, separator, text, said, write):
    with pytest.raises(ManifestError) as error:
        opened(text, separator)
    assert str(error.value).startswith(f"{tmp_path / 'list.csv'}, line ")
    assert said in str(error.value)
    assert write in str(error.value)


@pytest.mark.parametrize(
    ("text", "separator", "said"),
    [
        ("a.mp4, 0\n", " ", "DATA.PATH_LABEL_SEPARATOR to ','"),
        ("a.mp4 0\n", ",", "DATA.PATH_LABEL_SEPARATOR to ' '"),
        ("a.mp4 0\n", "\t", "DATA.PATH_LABEL_SEPARATOR to ' '"),
        ("a.mp4,3.0\n", " ", "DATA.PATH_LABEL_SEPARATOR to ','"),
        ("a.mp4 100 3\n", " ", "has 3 columns"),
        ("a.mp4 0 train\n", " ", "more than a label after the path"),
        ("a.mp4 3.0\n", " ", "the label 3.0 is not written as a whole number: write 3"),
        ("a.mp4,0\nb.mp4,0.5\n", ",", "line 2: .*the label 0.5 is no whole number"),
        ("a.mp4 -2\n", " ", "the label -2 is negative"),
        ("a.mp4 99999999999\n", " ", "the label 99999999999 is too large"),
        ("a.mp4,0\nb.mp4,\n", ",", "line 2: .*label after the last ',' is missing: give every line a label, or none"),
        ("a.mp4 0\nb.mp4 nan\n", " ", "line 2: .*'nan' means that the label is missing"),
        ("a.mp4 0\nb.mp4\n", " ", "line 2: 'b.mp4' has no label, but line 1 has one"),
        ("a.mp4 archery\n", " ", "'archery' is not the number of a class: .*rhovideo index FOLDER"),
        ("a.mp4 air guitar\n", " ", "'air guitar' is not the number of a class"),
        ("a.mp4 3,9\n", " ", "several labels: put them in quotes.*DATA.MULTI_LABEL True"),
        ('a.mp4 0\n"b c.mp4" 1\n', " ", "line 2: .* has its path in quotes"),
        ('a.mp4,0\n"b,""c"".mp4",1\n', ",", r"""line 2: .* write 'b,"c"\.mp4,1'"""),
        ("a.mp4 0\nC:\\b.mp4 1\n", " ", "line 2: .* path of Windows"),
    ],
)
def test_a_row_says_what_is_wrong_with_it(opened, text, separator, said):
    with pytest.raises(ManifestError, match=said):
        opened(text, separator)


@pytest.mark.parametrize(
    ("text", "separator", "rows"),
    [
        (b"\xef\xbb\xbfa.mp4 0\r\nb.mp4 1\r\n", " ", [("a.mp4", 0), ("b.mp4", 1)]),
        ("my, video; old.mp4 3\n", " ", [("my, video; old.mp4", 3)]),
        ("[set] a.mp4 3\n{b}.mp4 1\n", " ", [("[set] a.mp4", 3), ("{b}.mp4", 1)]),
        ('\'tis "the" season.mp4 3\n', " ", [('\'tis "the" season.mp4', 3)]),
        ("01 first.mp4\n02 second.mp4\n", " ", [("01 first.mp4", -1), ("02 second.mp4", -1)]),
        ("s3://bucket/a.mp4 3\n", " ", [("s3://bucket/a.mp4", 3)]),
        ("x.mp4 parts/clip 3\n", " ", [("x.mp4 parts/clip", 3)]),
        ("video 3\nclip 4\n", " ", [("video", 3), ("clip", 4)]),
        ("videos/path label.mp4\n", " ", [("videos/path label.mp4", -1)]),
        ("AC\\DC.mp4 3\n", " ", [("AC\\DC.mp4", 3)]),
    ],
)
def test_sound_lists_are_read(opened, text, separator, rows):
    assert opened(text, separator) == rows


def test_a_header_may_be_skipped(opened):
    assert opened("path,label\na.mp4,3\n", ",", skip_rows=1) == [("a.mp4", 3)]


def test_a_folder_is_named(tmp_path):
    with pytest.raises(ManifestError, match="is a folder: `rhovideo index"):
        Manifest.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KINETICS, "annotation list of Kinetics"),
        ('path labels\na.mp4 "3,9"\n', "is a header, not a video: write DATA.SKIP_ROWS 1$"),
        ('"my video.mp4" "3,9"\n', "has its path in quotes, .*: write 'my video.mp4'"),
        ('C:\\a.mp4 "3,9"\n', "path of Windows"),
        ('{"a.mp4": [3, 9]}\n', "is JSON"),
    ],
)
def test_lists_with_several_labels_too(opened, text, said):
    with pytest.raises(ManifestError, match=said):
        opened(text, kind=LabelSetManifest.open)


def test_a_path_in_quotes_is_no_set_of_labels(opened):
    with pytest.raises(ManifestError, match="has its path in quotes"):
        opened('"my video.mp4"\n', kind=open_any_list)
    assert opened('a.mp4 "3,9"\n', kind=open_any_list) == [("a.mp4", -1)]
