"""What each command does: options in, a result and its words out."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phosphene.converters import parse_views
from phosphene.converters.core.errors import ParameterError
from phosphene.datasets.manifest import Failure, Manifest
from phosphene.pipeline.networks.distributed import rank, world_size

from .arguments import (
    check_classes,
    check_folder,
    check_target,
    converter_settings,
    items_of_source,
    manifest_of,
    manifests_of,
    read_options,
    recipe_of,
    source_of,
    use_device,
    views_of,
)
from .text import failure_table, figure, reason_table, share, table, terminal_width

if TYPE_CHECKING:
    from phosphene.datasets.scores import Scores
    from phosphene.pipeline.classifier.evaluation import Evaluation

    from .predict import Failures


@dataclass(frozen=True)
class Outcome:
    """What a command has to say: for programs, for people, and whether some work failed."""

    result: dict[str, Any]
    text: str
    failed: bool = False


def run(options: argparse.Namespace) -> Outcome:
    """Carry out the command that the options name."""
    if world_size() > 1 and options.command not in ("train", "cross-validate"):
        raise ParameterError(f"{options.command} is the work of one process; leave torchrun out")
    return _COMMANDS[options.command](options)


def _list(options: argparse.Namespace) -> Outcome:
    from .show import listing

    if options.data and not options.gallery:
        raise ParameterError("--data names the files for a gallery; add --gallery OUT")
    result, text, failed = listing(options.kind)
    if options.gallery:
        from .show import write_gallery

        check_folder(options.gallery)
        pictures = write_gallery(options.gallery, kind=options.kind, data=options.data)
        result["gallery"] = [str(picture) for picture in pictures]
        text = f"{len(pictures)} pictures: {options.gallery / 'README.md'}"
    return Outcome(result, text, failed)


def _show(options: argparse.Namespace) -> Outcome:
    from .show import show

    if options.out:
        check_target(options.out, ".png")
    done = show(
        options.file,
        views=options.views,
        kind=options.kind,
        out=options.out,
        changes=options.augment,
        seed=options.seed,
        how=read_options(options),
    )
    return Outcome(*done)


def _convert(options: argparse.Namespace) -> Outcome:
    from phosphene.pipeline.tiles.convert import convert

    source = source_of(options)
    check_folder(options.out, source)
    views = views_of(options, converter_settings(options.settings, options.size))
    done = convert(
        source,
        options.out,
        views=views,
        kind=options.kind,
        windows=options.windows,
        workers=options.workers,
        engine=options.engine,
        to=options.to,
        shard_size=options.shard_size,
        device=options.device,
        options=read_options(options),
    )
    result = {"converted": done.converted, "reused": done.reused, "seconds": round(done.seconds, 3)}
    counts = f"{done.converted} images converted, {done.reused} there already, {len(done.failed)} failed"
    return _outcome(result, f"{counts}, in {done.seconds:.1f} s: {options.out}", done.failed)


def _train(options: argparse.Namespace) -> Outcome:
    from phosphene.pipeline.classifier.folder import held_out_words
    from phosphene.pipeline.classifier.training import CURVE, train

    check_folder(options.out)
    _check_report(options.report)
    use_device(options.device)
    curve = CURVE if options.report else ()
    done = train(manifest_of(options), recipe_of(options), valid=options.valid, out=options.out, curve=curve)
    if rank() > 0:
        return Outcome({}, "")  # the first process has saved and tells
    notes, scores = done.classifier.notes, done.scores
    result = {
        "strategy": notes["strategy"],
        "why": notes["why"],
        "fit": notes["fit"],
        "oof": notes["oof"],
        "classes": list(done.classifier.classes),
        "accuracy": scores.accuracy if scores else None,
        "macro_f1": scores.macro_f1 if scores else None,
        "n": scores.n if scores else 0,
        "seconds": round(done.seconds, 3),
    } | _trust(done.evaluation)
    judged = "nothing held out"
    if done.evaluation:
        held_out = held_out_words(
            notes["held_out"], n=notes["n_held_out"], learned_from=notes["learned_from"]
        )
        judged = f"{_figures(done.evaluation)} held out: {held_out}"
    strategy, oof = f"strategy {notes['strategy']} ({notes['why']})", f"out of fold: {notes['oof']['words']}"
    words = "\n".join([strategy, oof, judged, f"{options.out}, in {done.seconds:.1f} s"])
    if options.report:
        from phosphene.pipeline.report.classifier import write_report

        write_report(
            options.report, done.classifier, done.evaluation, title=options.src, failures=done.failures
        )
        words += f"\nreport: {options.report}"
    return _outcome(result, words, done.failures)


def _cross_validate(options: argparse.Namespace) -> Outcome:
    from phosphene.pipeline.classifier.evaluation import per_class_json
    from phosphene.pipeline.classifier.training import cross_validate

    done = cross_validate(manifest_of(options), recipe_of(options))
    folds = [
        {"fold": f.name, "n": f.scores.n, "accuracy": f.scores.accuracy, "macro_f1": f.scores.macro_f1}
        | ({} if f.scores.auc is None else {"auc": f.scores.auc})
        | {"oof": f.notes.get("oof")}
        | per_class_json(f.scores)
        for f in done.folds
    ]
    result = {
        "strategy": done.strategy,
        "why": done.why,
        "folds": folds,
        "metric": done.metric,
        "score": done.score,
        "accuracy": done.accuracy,
        "macro_f1": done.macro_f1,
        "seconds": round(done.seconds, 3),
    } | per_class_json(done.pooled)
    rows = [
        [f.name, str(f.scores.n), share(f.scores.accuracy), figure(f.scores.macro_f1), _oof_words(f.notes)]
        for f in done.folds
    ]
    words = table(["fold", "n", "accuracy", "macro-F1", "out of fold"], rows)
    means = f"accuracy {share(done.accuracy)}, macro-F1 {figure(done.macro_f1)}"
    means += f", {done.metric} {done.score:.3f}" if done.metric == "auc" else ""
    text = f"strategy {done.strategy} ({done.why})\n{words}\nmean: {means}; in {done.seconds:.1f} s"
    return _outcome(result, text, done.failures)


def _oof_words(notes: dict[str, Any]) -> str:
    return str(notes["oof"]["words"]) if "oof" in notes else ""


def _predict(options: argparse.Namespace) -> Outcome:
    from phosphene.pipeline.classifier.classifier import Classifier

    from .predict import Limits, predict

    if options.out:
        check_target(options.out, *((".csv",) if options.to == "csv" else (".txt",)))
    use_device(options.device)
    saved = Classifier.load(options.model)
    done = predict(
        replace(saved, options=read_options(options, saved.options)),
        options.files,
        out=options.out,
        to=options.to,
        windows=options.windows,
        limits=Limits(options.threshold, options.max_novelty),
        workers=options.workers,
        engine=options.engine,
    )
    if options.out:
        words = "\n".join([f"{done.n} predictions, {done.failures.n} failed: {options.out}", *done.notes])
        return _with_failures({"n": done.n, "out": options.out}, words, done.failures)
    noted = ["unlike the training items"] if done.notes else []
    rows = [
        [str(p.item), p.label, share(p.probability), *(["; ".join(p.notes)] if noted else [])]
        for p in done.predictions
    ]
    words = table(["path", "label", "probability", *noted], rows) if rows else "no predictions"
    words = "\n\n".join([words, *(["\n".join(done.notes)] if noted else [])])
    return _with_failures({"predictions": [p.as_dict for p in done.predictions]}, words, done.failures)


def _with_failures(result: dict[str, Any], words: str, failures: "Failures") -> Outcome:
    """Return an outcome with all that failed, or where that is much with the first and the reasons of all."""
    if failures.n == len(failures.first):
        return _outcome(result, words, failures.first)
    names = ("reason", "count", "example")
    more = {
        "n_failed": failures.n,
        "reasons": [dict(zip(names, row, strict=True)) for row in failures.reasons],
    }
    table_of = reason_table(failures.n, failures.reasons)
    failed = _outcome(result | more, words, failures.first)
    return Outcome(failed.result, f"{words}\n\n{table_of}", failed=True)


def _explain(options: argparse.Namespace) -> Outcome:
    from phosphene.pipeline.classifier.classifier import Classifier
    from phosphene.pipeline.explain.explanation import explain, save_explanation

    if options.out:
        check_target(options.out, ".png", ".wav")
    use_device(options.device)
    saved = Classifier.load(options.model)
    if options.out and options.out.suffix.lower() == ".wav" and saved.kind != "audio":
        raise ParameterError(f"{options.out}: a {saved.kind} file cannot be heard; write a .png")
    how = replace(saved, options=read_options(options, saved.options))
    done = explain(how, options.file, label=options.target, most=options.most)
    rows = [[share(one.weight), str(one), one.view] for one in done.regions]
    words = [
        f"{done.item}: {done.label} {share(done.probability)}",
        table(["weight", "region", "view"], rows) if rows else "nothing speaks for it",
        f"probability of {done.label} for the regions alone {share(done.alone)}, without them {share(done.without)}",
        *done.notes,
    ]
    if enough := done.sufficient:
        least = f"{share(enough.mask.mean())} of it, {share(enough.alone)}"
        words.insert(3, f"least that was found to suffice: {least}; {done.queries} queries")
    if options.out:
        words.append(str(save_explanation(done, options.out)))
    return Outcome(done.result | ({"out": options.out} if options.out else {}), "\n".join(words))


def _embed(options: argparse.Namespace) -> Outcome:
    from phosphene.datasets.parts import PART, is_large
    from phosphene.pipeline.classifier.embed import EmbedOptions, embed
    from phosphene.pipeline.tiles.remote import is_remote

    check_target(options.out, ".parquet")
    views = parse_views(options.views, kind=options.kind) if options.views else None
    kind = views[0].kind if views else options.kind
    chosen = EmbedOptions(
        views,
        options.arch,
        options.layer,
        options.windows,
        read_options(options),
        options.workers,
        options.engine,
    )
    source = source_of(options)
    named = options.label is not None or options.group is not None
    listed = isinstance(source, Manifest) or not (is_remote(source) or is_large(source, PART))
    if named or listed:
        source = items_of_source(options, kind=kind)
    done = embed(source, options.out, chosen, kind=kind)
    result = {
        "n": done.n,
        "features": done.n_features,
        "layer": done.layer,
        "seconds": round(done.seconds, 3),
    }
    words = (
        f"{done.n} rows of {done.n_features} features of {done.layer}, in {done.seconds:.1f} s: {options.out}"
    )
    return _outcome(result, words, done.failures)


def _evaluate(options: argparse.Namespace) -> Outcome:
    from phosphene.pipeline.classifier.classifier import Classifier
    from phosphene.pipeline.classifier.evaluation import per_class_json

    _check_report(options.report)
    if options.explained is not None and not options.report:
        raise ParameterError("--explained N explains items in a report; name it with --report FILE.html")
    classifier = Classifier.load(options.model)
    manifest = manifest_of(options, kind=classifier.kind, saved=classifier.options)
    check_classes(manifest, classifier.classes)
    done = classifier.evaluate(manifest, workers=options.workers)
    scores = done.scores
    result = (
        {"n": scores.n, "accuracy": scores.accuracy, "macro_f1": scores.macro_f1}
        | per_class_json(scores)
        | ({} if scores.auc is None else {"auc": scores.auc})
        | _trust(done)
    )
    of_split = " of the test split" if any(item.split == "test" for item in manifest.items) else ""
    words = f"{_figures(done)}{of_split}\n\n{_confusion(scores)}"
    if options.report:
        from phosphene.pipeline.report.classifier import write_report

        most = {} if options.explained is None else {"explained": options.explained}
        write_report(options.report, classifier, done, title=options.src, **most)
        words += f"\n\nreport: {options.report}"
    return _outcome(result, words, done.failures)


def _check_report(report: Path | None) -> None:
    if report:
        check_target(report, ".html", ".htm")


def _trust(done: "Evaluation | None") -> dict[str, Any]:
    """Return calibration error, intervals, and the share of items that are unlike anything learned from."""
    names = ("accuracy_interval", "macro_f1_interval", "ece", "ece_interval", "novel")
    figures = done.figures if done else {}
    return {name: figures.get(name) for name in names}


def _export(options: argparse.Namespace) -> Outcome:
    from phosphene.pipeline.classifier.classifier import Classifier

    check_target(options.out, ".onnx")
    done = Classifier.load(options.model).export(
        options.out,
        inputs=options.inputs,
        precision=options.precision,
        samples=options.samples,
        rate_hz=options.rate,
        check=options.check,
    )
    result = {
        "path": done.path,
        "max_difference": done.max_difference,
        "same_labels": done.same_labels,
        "n": done.n,
    }
    words = (
        f"of {done.n} items {done.same_labels} have the same label, and no probability differs by more than "
        f"{done.max_difference:.2g}: {done.path}"
    )
    return Outcome(result, words)


def _benchmark(options: argparse.Namespace) -> Outcome:
    from phosphene.pipeline.report.benchmark import benchmark, json_result

    from .text import terminal_table

    if options.out:
        check_folder(options.out, options.src if options.data is None else "")
    manifests = manifests_of(options)
    summary = benchmark(
        manifests,
        recipe_of(options),
        methods=options.methods,
        out=options.out,
        on_leak=options.on_leak or ("refuse" if options.data is None else "tell"),
    )
    text = terminal_table(summary)
    if options.out:
        text += f"\n\n{options.out / 'index.html'}"
    failed = bool(summary.failed) or any(row.error for one in summary.sets for row in one.rows)
    return Outcome(json_result(summary), text, failed)


def _serve(options: argparse.Namespace) -> Outcome:
    from phosphene.pipeline.web.serve import ServeOptions, serve

    names = ("host", "port", "most_mb", "examples", "review", "labels", "also", "workers")
    url = serve(options.model, ServeOptions(**{name: getattr(options, name) for name in names}))
    return Outcome({"url": url}, f"ended: {url}")


def _demo(options: argparse.Namespace) -> Outcome:
    from .demo import demo

    check_folder(options.out)
    return Outcome(*demo(options.out, seed=options.seed))


_COMMANDS: dict[str, Callable[[argparse.Namespace], Outcome]] = {
    "list": _list,
    "show": _show,
    "convert": _convert,
    "train": _train,
    "cross-validate": _cross_validate,
    "predict": _predict,
    "explain": _explain,
    "embed": _embed,
    "evaluate": _evaluate,
    "export": _export,
    "benchmark": _benchmark,
    "serve": _serve,
    "demo": _demo,
}


def _outcome(result: dict[str, Any], words: str, failures: Sequence[Failure]) -> Outcome:
    failed = [{"path": str(failure.item), "error": failure.error} for failure in failures]
    text = f"{words}\n\n{failure_table(failures)}" if failures else words
    return Outcome(result | {"failed": failed}, text, bool(failures))


def _figures(done: "Evaluation") -> str:
    scores, calibration = done.scores, done.calibration
    parts = [f"accuracy {share(scores.accuracy)}, macro-F1 {figure(scores.macro_f1)}"]
    parts += [] if scores.auc is None else [f"AUC {scores.auc:.3f}"]
    if calibration:
        parts += [
            f"calibration error {calibration.ece:.3f} ({calibration.low:.3f} to {calibration.high:.3f})"
        ]
    return f"{', '.join(parts)} on {scores.n} items"


def _confusion(scores: "Scores") -> str:
    """Return the confusion matrix, or where it is wider than the terminal the mistakes that are made most."""
    rows = [[name, *map(str, row)] for name, row in zip(scores.classes, scores.confusion, strict=False)]
    words = table(["true \\ predicted", *scores.classes], rows)
    if not rows or max(map(len, words.splitlines())) <= terminal_width():
        return words
    mistakes = [
        (count, true, predicted)
        for true, row in zip(scores.classes, scores.confusion, strict=True)
        for predicted, count in zip(scores.classes, row, strict=True)
        if true != predicted and count
    ]
    top = sorted(mistakes, key=lambda mistake: -mistake[0])[:10]
    return table(["most mistaken", "for", "times"], [[true, predicted, str(n)] for n, true, predicted in top])
