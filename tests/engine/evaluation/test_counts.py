import math

from rhovideo.engine.evaluation.counts import as_count, ks_for


def test_an_accuracy_is_a_count_beside_chance():
    assert as_count(15.0, 20, 3) == "3 of 20 (chance 33 %)"
    assert as_count(100 / 3, 3, 400) == "1 of 3 (chance 0.25 %)"
    assert as_count(100.0, 7, 1) == "7 of 7 (chance 100 %)"
    assert as_count(math.nan, 0, 3) == "of no videos"


def test_top_5_of_five_classes_or_fewer_is_left_out():
    assert (ks_for(3), ks_for(5), ks_for(6)) == ((1,), (1,), (1, 5))
