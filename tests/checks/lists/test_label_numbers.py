"""Labels that start at 1 are named as such, not as one class too many."""

from __future__ import annotations

import pytest

from rhovideo.data.lists.classes.class_names import write_class_names
from tests.checks.lists.list_findings import findings_of


@pytest.fixture
def told(tmp_path):
    """What is said of lists with these labels: severity and text."""

    def find(labels: list[int], task: str = "linear", classes: int = 3, separator: str = " ") -> list[tuple[str, str]]:
        for split in ("train", "val", "test"):
            lines = [f"{split}{number}.mp4{separator}{label}\n" for number, label in enumerate(labels)]
            (tmp_path / f"{split}.csv").write_text("".join(lines))
            for number in range(len(labels)):
                (tmp_path / f"{split}{number}.mp4").touch()
        found = findings_of(tmp_path, task, classes, "DATA.PATH_LABEL_SEPARATOR", separator)
        return [(finding.severity, str(finding)) for finding in found]

    return find


def test_labels_up_to_the_number_of_classes_start_at_one(told):
    [(severity, text)] = told([1, 2, 3])
    assert severity == "error"
    assert text.startswith("labels start at 1: ")
    assert "awk '{$NF -= 1} 1'" in text
    assert "-F ','" in told([1, 2, 3], separator=",")[0][1]
    # With a 0 among them, a class is too much.
    assert "has the label 3, but MODEL.NUM_CLASSES is 3" in told([0, 2, 3])[0][1]


def test_a_class_was_added_to_make_them_fit(told):
    [(severity, text)] = told([1, 2, 3], classes=4)
    assert severity == "warning"
    assert "labels start at 1" in text
    assert "MODEL.NUM_CLASSES 3" in text
    assert told([0, 1, 2, 3], classes=4) == []
    assert told([1, 3], classes=4) == []  # other classes are missing too


def test_labels_without_a_gap_tell_it_for_any_number_of_classes(told):
    assert [severity for severity, text in told([1, 1, 2, 2], classes=400) if "labels start at 1: " in text] == [
        "warning"
    ]
    [(severity, text)] = told([1, 2, 3, 4, 5], classes=2)
    assert severity == "error"
    assert "labels start at 1: " in text
    assert "MODEL.NUM_CLASSES 5" in text
    assert not [text for _, text in told([1, 3, 7], classes=400) if "labels start at 1" in text]


def test_one_list_tells_it_where_another_cannot_be_read(told, tmp_path):
    told([1, 2, 3])
    (tmp_path / "val.csv").unlink()
    found = findings_of(tmp_path, "linear", 3)
    assert [str(finding) for finding in found if "labels start at 1: " in str(finding)]
    assert not [str(finding) for finding in found if "has the label 3" in str(finding)]


def test_names_of_classes_tell_it_without_a_classifier(told, tmp_path):
    write_class_names(tmp_path, ["a", "b", "c"])
    [(severity, text)] = told([1, 2, 3], "knn")
    assert severity == "warning"
    assert "labels start at 1" in text
    write_class_names(tmp_path, ["none", "a", "b", "c"])
    assert told([1, 2, 3], "knn") == []
