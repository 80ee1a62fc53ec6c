"""The summary in words: the questions that a reader has, and what the numbers say."""

from __future__ import annotations

from collections.abc import Sequence

from rhovideo.engine.evaluation.intervals import wilson, wilson_of
from rhovideo.engine.evaluation.multi_label.label_set_files import ClassPrecision
from rhovideo.report.blocks import Answer
from rhovideo.report.per_video import ClassScore, Predictions, class_scores, confusions
from rhovideo.report.run_record import RunRecord, number, series
from rhovideo.report.sections.scored_boxes import lowest_classes
from rhovideo.report.sections.wording import class_name, count, listed, percent
from rhovideo.report.subjects import Chain, Subject, deviation, mean_of_chains

# A share of the step's time that waits for data, from which data is the bottleneck, and one to keep an eye on.
_BOTTLENECK, _NOTICEABLE = 0.5, 0.2
# Points of top-1 between training and test videos.
_WIDE_GAP = 15.0
# Points that an accuracy may fall below its best one and not count as a fall.
_FALL = 5.0
_COLLAPSED = 0.1
_MOST_CLASSES = 3
# Points below the mean from which a class fails.
_STANDS_OUT = 15.0


def answers(
    subject: Subject,
    predictions: Predictions | None,
    names: Sequence[str],
    precisions: Sequence[ClassPrecision] = (),
) -> list[Answer]:
    """Answer the questions of the summary.

    Args:
        subject: what the page is about.
        predictions: of the main chain's test videos; None where there are none.
        names: of the classes.
        precisions: of the classes, of test videos with several labels each.
    """
    chain = subject.main
    guesses = at_chance(predictions, chain)
    failing = low_precisions(precisions, names) if precisions else failing_classes(predictions, names)
    first = _best(subject, guesses) if subject.compares else _score(chain, predictions, guesses)
    if chain.detector and not predictions and not precisions:
        failing = lowest_classes(chain.detector)
    return [first, overfitting(chain, guesses), data_loading(chain), failing]


def at_chance(predictions: Predictions | None, chain: Chain) -> bool:
    """True if guessing would do as well: the interval of the accuracy holds one over the number of classes."""
    if not predictions or not predictions.videos:
        return False
    classes = len({video.label for video in predictions.videos})
    right = sum(video.right for video in predictions.videos)
    interval = chain.last.interval or wilson(right, len(predictions.videos))
    return classes > 1 and interval is not None and interval[0] <= 100 / classes


def _score(chain: Chain, predictions: Predictions | None, guesses: bool) -> Answer:
    question = "How good is it?"
    run = chain.last
    if run.score is None:
        reason = "The run has no number yet: it has not finished, or its list has no labels to measure with."
        return Answer(question, "not known yet", reason, "unknown")
    interval, videos = run.interval, number(run.results, "test_videos")
    if interval is None and predictions and predictions.recorded:
        right = sum(video.right for video in predictions.videos)
        interval, videos = wilson(right, len(predictions.videos)), len(predictions.videos)
    elif interval is None and videos and not run.score_name.endswith("map"):
        interval = wilson_of(run.score, int(videos))
    parts = [f"{chain.score_name} of {run.name}."]
    if interval:
        of = f" from {count(int(videos), 'video')}" if videos else ""
        parts.append(f"The 95 % interval{of} is {interval[0]:.1f} to {interval[1]:.1f} %.")
    if predictions:
        classes = len({video.label for video in predictions.videos})
        parts.append(f"Chance with {count(classes, 'class')} is {100 / max(classes, 1):.1f} %.")
    if guesses:
        return Answer(question, f"{percent(run.score)}: no better than guessing", " ".join(parts), "bad")
    return Answer(question, percent(run.score), " ".join(parts), "good")


def _best(subject: Subject, guesses: bool) -> Answer:
    question = "Which run is best?"
    grouped, chains, top = subject.scored, subject.best_group, subject.main
    if not chains:
        return Answer(question, "not known yet", "No run has finished with a number.", "unknown")
    missing = len(subject.chains) - sum(map(len, grouped.values()))
    unfinished = f" {count(missing, 'run')} without a number left out." if missing else ""
    others = sorted((group for name, group in grouped.items() if name != top.group), key=mean_of_chains)
    reason = f"{top.score_name}: {mean_text(chains)}."
    luck, fewest = "", 0
    if others:
        second = others[-1]
        gap = f"{mean_of_chains(chains) - mean_of_chains(second):.1f} points lower"
        reason += f" Next is {second[0].group} with {mean_text(second)}, {gap}."
        luck, fewest = _luck(chains, second), min(len(chains), len(second))
        reason += luck
    reason += (
        f" Its best seed, {top.seed}, has {percent(top.score)}, chosen by this very number. It is shown in detail."
        if len(chains) > 1
        else f" Shown in detail: {top.name}."
    )
    reason += unfinished
    if guesses:
        return Answer(question, f"{top.group}, but no better than guessing", reason, "bad")
    if luck and fewest > 1:
        return Answer(question, f"{top.group}, but not clearly", reason, "neutral")
    return Answer(question, top.group, reason, "good")


def mean_text(chains: Sequence[Chain]) -> str:
    """The number of a group: the mean ± the standard deviation and the number of seeds; of one seed the number alone.

    Args:
        chains: alike but for their seeds; each has a number.
    """
    spread = deviation(chains)
    if spread is None:
        return percent(mean_of_chains(chains))
    return f"{mean_of_chains(chains):.1f} ± {spread:.1f} % (mean ± standard deviation, n = {len(chains)} seeds)"


def choice(subject: Subject) -> str:
    """What was chosen on the videos that the main number is measured on, in sentences; empty where nothing was."""
    top, grouped = subject.main, subject.scored
    sentences = []
    chosen = [
        *(["the best seed"] if len(subject.best_group) > 1 else []),
        *([f"the best of {len(grouped)} settings"] if len(grouped) > 1 else []),
    ]
    if chosen:
        name = "test.csv" if top.last.score_name != "knn_top1" or top.last.task == "knn" else "val.csv"
        verb = "were" if len(chosen) > 1 else "was"
        first = f"{chosen[0][0].upper()}{chosen[0][1:]}"
        remedy = " Take the mean over seeds." if len(subject.best_group) > 1 else ""
        sentences.append(
            f"{listed([first, *chosen[1:]])} {verb} chosen by this number, on the same videos of {name} that it is "
            f"measured on. So expect a little less on new videos.{remedy}"
        )
    if validates_on_test(top):
        sentences.append(
            "The validation list and the test list of these runs have the same content. What was chosen by the "
            "validation curves was chosen on the test videos too."
        )
    return " ".join(sentences)


def validates_on_test(chain: Chain) -> bool:
    """True if a list that validates runs of a chain has the content of one that tests them, by recorded hashes."""
    hashes: dict[str, set[str]] = {"val list": set(), "test list": set()}
    for run in chain.runs:
        for item in run.inputs.get("inputs") or []:
            if isinstance(item, dict) and item.get("role") in hashes:
                hashes[item["role"]].add(str(item.get("sha256")))
    return bool(hashes["val list"] & hashes["test list"])


def _luck(one: Sequence[Chain], other: Sequence[Chain]) -> str:
    """A sentence where the difference of two means may be luck; empty where it is clear."""
    first, second = deviation(one), deviation(other)
    if first is None or second is None:
        return " With one seed it is not known how much of that is luck."
    noise = (first**2 / len(one) + second**2 / len(other)) ** 0.5
    gap = mean_of_chains(one) - mean_of_chains(other)
    return "" if gap > 2 * noise else " That is within what the seeds differ by, so it may be luck."


def overfitting(chain: Chain, guesses: bool = False) -> Answer:
    """Whether the accuracy on other videos falls behind that on training videos, or falls with time."""
    question = "Is it overfitting?"
    classifier = next((run for run in reversed(chain.runs) if run.task in ("linear", "finetune")), None)
    found = _classifier_gap(question, classifier) if classifier else None
    if found and found.tone == "good" and guesses:
        words = "It does not do better than guessing, so there is nothing that it could have learned by heart."
        return Answer(question, "no, it has learned too little", f"{found.reason} {words}", "bad")
    pretraining = chain.pretraining
    return found or (_pretraining_trend(question, pretraining) if pretraining else None) or _unknown(question)


def _unknown(question: str) -> Answer:
    reason = (
        "It takes an accuracy on training videos and one on other videos. Train with labels, or set CONTRASTIVE.KNN_ON."
    )
    return Answer(question, "cannot be seen here", reason, "unknown")


def _classifier_gap(question: str, run: RunRecord) -> Answer | None:
    _, trained = series(run.epochs, "top1")
    test = run.score if run.score_name in ("test_top1", "top1") else None
    if not trained or test is None:
        return None
    gap = trained[-1] - test
    numbers = (
        f"{run.name}: {percent(trained[-1])} on training videos in the last epoch, {percent(test)} on test videos."
    )
    _, errors = series(run.evaluations, "top1_err")
    risen = errors[-1] - min(errors) if errors else 0.0
    if risen > _FALL:
        reason = f"{numbers} The validation error has risen by {risen:.1f} points since its lowest."
        return Answer(question, "yes, it gets worse with time", reason, "bad")
    if gap > _WIDE_GAP:
        return Answer(
            question, f"yes, by {gap:.0f} points", f"{numbers} Fewer epochs, more videos or more decay help.", "bad"
        )
    return Answer(question, "no", f"{numbers} A gap of more than {_WIDE_GAP:.0f} points would be a sign of it.", "good")


def _pretraining_trend(question: str, run: RunRecord) -> Answer | None:
    _, spread = series(run.epochs, "embedding_std")
    if spread and spread[-1] < _COLLAPSED:
        reason = f"The standard deviation of embeddings is {spread[-1]:.2f}, near 0: all videos look the same to it."
        return Answer(question, "worse: it has collapsed", reason, "bad")
    _, accuracies = series(run.evaluations, "knn_top1")
    if len(accuracies) < 2:
        return None
    best, last = max(accuracies), accuracies[-1]
    numbers = f"The k-NN accuracy on validation videos ends at {percent(last)}; its highest was {percent(best)}."
    if best - last > _FALL:
        return Answer(question, "yes, from some epoch on", f"{numbers} An earlier checkpoint may be better.", "bad")
    return Answer(question, "no sign of it", numbers, "good")


def data_loading(chain: Chain) -> Answer:
    """Whether steps wait for data."""
    question = "Is data loading the bottleneck?"
    shares = [(run, share) for run in chain.runs if (share := waiting_share(run)) is not None]
    if not shares:
        return Answer(question, "cannot be seen here", "No run here has trained, so no step was timed.", "unknown")
    words = listed([f"{100 * share:.0f} % of a step in {run.name}" for run, share in shares])
    # The longest training decides.
    share = max(shares, key=lambda each: each[0].training_seconds)[1]
    reason = f"Waiting for data takes {words}."
    if share > _BOTTLENECK:
        return Answer(question, "yes", f"{reason} More DATA_LOADER.NUM_WORKERS or smaller videos help.", "bad")
    if share > _NOTICEABLE:
        remedy = "More DATA_LOADER.NUM_WORKERS shorten this wait if the machine has processors that are not busy."
        return Answer(question, "in part", f"{reason} {remedy}", "neutral")
    return Answer(question, "no", reason, "good")


def waiting_share(run: RunRecord) -> float | None:
    """The part of a step's time that waits for data, over all epochs but the first; None where none was timed."""
    timed = [
        (dt, data)
        for record in run.epochs
        if (dt := number(record, "dt")) and (data := number(record, "dt_data")) is not None
    ]
    # Workers start in the first.
    timed = timed[1:] or timed
    return sum(data for _, data in timed) / sum(dt for dt, _ in timed) if timed else None


def failing_classes(predictions: Predictions | None, names: Sequence[str]) -> Answer:
    """The classes with the lowest accuracy, and what they are taken for."""
    question = "Which classes fail?"
    if not predictions or not predictions.videos:
        reason = (
            "There is no prediction for single videos. Measure the encoder with rhovideo eval, on lists with labels."
        )
        return Answer(question, "cannot be seen here", reason, "unknown")
    scores = class_scores(predictions.videos)
    overall = 100 * sum(video.right for video in predictions.videos) / len(predictions.videos)
    worst = sorted((score for score in scores if score.correct < score.videos), key=lambda score: score.accuracy)
    low = [score for score in worst if score.accuracy < overall][:_MOST_CLASSES]
    if not low:
        return Answer(question, "none", f"No class lies below the mean of {percent(overall)}.", "good")
    pairs = confusions(predictions.videos)
    parts = []
    for score in low:
        wrong = [(times, other) for (label, other), times in pairs.items() if label == score.label and other != label]
        other = max(wrong)[1]
        taken = f", most often taken for {class_name(names, other)}"
        parts.append(f"{class_name(names, score.label)}: {score.correct} of {score.videos} right{taken}")
    reason = "; ".join(parts) + f". All classes together: {percent(overall)}, from {predictions.source}."
    failing = [score for score in worst if score.accuracy < overall - _STANDS_OUT]
    if failing:
        return Answer(question, _named(failing, names), reason, "bad")
    lowest = [score for score in worst if score.accuracy == worst[0].accuracy]
    verdict = f"no class stands out; lowest: {_named(lowest, names)} ({percent(worst[0].accuracy)})"
    return Answer(question, verdict, reason, "neutral")


def low_precisions(precisions: Sequence[ClassPrecision], names: Sequence[str]) -> Answer:
    """The classes of videos with several labels that have the lowest average precision."""
    overall = sum(each.ap for each in precisions) / len(precisions)
    lowest = sorted(precisions, key=lambda each: (each.ap, each.label))[:_MOST_CLASSES]
    parts = [f"{class_name(names, each.label)}: {percent(each.ap)} on {count(each.videos, 'video')}" for each in lowest]
    reason = f"{'; '.join(parts)}. The mean of all {len(precisions)} classes is {percent(overall)}."
    failing = [each for each in lowest if each.ap < overall - _STANDS_OUT]
    verdict = listed([class_name(names, each.label) for each in failing]) if failing else "no class stands out"
    return Answer("Which classes fail?", verdict, reason, "bad" if failing else "neutral")


def _named(scores: Sequence[ClassScore], names: Sequence[str]) -> str:
    shown = [class_name(names, score.label) for score in scores[:_MOST_CLASSES]]
    more = len(scores) - len(shown)
    return listed([*shown, *([f"{more} more"] if more else [])])
