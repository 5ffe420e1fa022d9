"""Mutate the losses, the softening, the scores and the patches everywhere: `make mutation`.

Cosmic Ray finds every place where an operator, a number, a comparison, a keyword or a branch can be
changed, and changes it; the tests of that module must notice. It takes hours, so what is done is
kept in _build/mutation.jsonl: start it as often as you like, `--every 20` tries a sample first.
Survivors that no test can kill, since the code means the same, are explained in survivors.txt.
"""

import argparse
import hashlib
import itertools
import json
import sys
import tempfile
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from run import ROOT, copied, forking, tested

METRICS = ("test_metrics.py", "test_metrics_comparison.py", "test_reference_values.py")
FUZZ = "test_fuzz.py::test_right_or_a_message_that_helps[fuzz_{}]"
TESTS = {
    "kdlib/softening.py": (
        "test_softening.py",
        "test_reference_values.py",
        *map(FUZZ.format, ("softmax", "entropy", "soften_probabilities")),
    ),
    "kdlib/losses.py": (
        "test_losses.py",
        "test_reference_values.py",
        FUZZ.format("kl_divergence"),
    ),
    "kdlib/_arguments.py": (
        "test_softening.py",
        "test_metrics.py",
        "test_beyond.py",
        "test_unet.py",
    ),
    "kdlib/_tensors.py": ("test_losses.py", "test_beyond.py", FUZZ.format("kl_divergence")),
    "kdlib/_loss_arguments.py": (
        "test_distiller.py::test_compile_refuses_what_would_be_silently_wrong",
        "test_distiller.py::test_plain_functions_over_logits_are_losses_too",
        FUZZ.format("compile"),
    ),
    "kdlib/metrics/confusion.py": (*METRICS, *map(FUZZ.format, ("confusion_matrix", "scores"))),
    "kdlib/metrics/calibration.py": (*METRICS, FUZZ.format("calibration")),
    "kdlib/metrics/comparison.py": (*METRICS, FUZZ.format("agreement")),
    "kdlib/metrics/_validation.py": (*METRICS, FUZZ.format("confusion_matrix")),
    "kdlib/metrics/keras_metrics.py": ("test_metrics_keras.py",),
    "kdlib/data/patches.py": (
        "test_data_patches.py",
        *map(FUZZ.format, ("class_shares", "image_set_and_cut", "join")),
    ),
}
# No operator, or one that changes the text of an annotation or of nothing at all.
LEFT_OUT = ("core/NoOp", "core/VariableInserter", "core/VariableReplacer")
RESULTS = ROOT / "_build" / "mutation.jsonl"
SURVIVORS = Path(__file__).with_name("survivors.txt")


def mutants(file):
    """Yield (line, operator name, mutated code) for every place of a file that can be changed."""
    source = (ROOT / file).read_text(encoding="utf-8")
    lines, tree = source.splitlines(), get_ast_from_path(ROOT / file)
    for name in operator_names():
        operator = get_operator(name)
        if name in LEFT_OUT or operator.arguments():
            continue
        operator = operator()
        positions = (start for n in ast_nodes(tree) for start, _ in operator.mutation_positions(n))
        for occurrence, (line, _) in enumerate(positions):
            code = mutate_code(source, operator, occurrence)
            if code is not None:
                yield lines[line - 1].strip(), name.removeprefix("core/"), code


def done():
    """Return {key: record} of what was tried before."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    return {record["key"]: record for record in map(json.loads, text.splitlines())}


def tried(context, file, line, operator, code):
    """Run the tests of a file on one mutant of it; return a record."""
    with tempfile.TemporaryDirectory(prefix="kdlib-mutation-") as name:
        folder = copied(Path(name))
        (folder / file).write_text(code, encoding="utf-8")
        status, _ = tested(context, folder, TESTS[file], limit=300)
    return {"file": file, "line": line, "operator": operator, "killed": status != 0}


def soundness(context, file):
    """Return "" if the tests of a file pass on the file as it is, else what they say.

    Tests that fail already would seem to kill everything.
    """
    with tempfile.TemporaryDirectory(prefix="kdlib-mutation-") as name:
        status, text = tested(context, copied(Path(name)), TESTS[file], limit=300)
    return "" if status == 0 else f"exit status {status}\n{text}"


def main():
    """Try what has not been tried yet; print the survivors and their share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", default=list(TESTS), help="such as kdlib/losses.py")
    parser.add_argument("--every", type=int, default=1, help="try one mutant in so many")
    options = parser.parse_args()
    RESULTS.parent.mkdir(exist_ok=True)
    context, known, records = forking(), done(), []
    for file in options.files:
        if problem := soundness(context, file):
            sys.exit(f"the tests of {file} fail without any mutant: {problem}")
        for line, operator, code in itertools.islice(mutants(file), None, None, options.every):
            key = hashlib.sha256(f"{file}\n{code}".encode()).hexdigest()[:16]
            if key not in known:
                known[key] = {"key": key, **tried(context, file, line, operator, code)}
                with RESULTS.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(known[key]) + "\n")
            records.append(known[key])
            if not known[key]["killed"]:
                print(f"survived  {file}: {operator}: {line}", flush=True)
    explained = SURVIVORS.read_text(encoding="utf-8")
    left = [f"{r['file']}: {r['operator']}: {r['line']}" for r in records if not r["killed"]]
    lost = [text for text in left if text not in explained]
    print(f"{len(records) - len(left)} of {len(records)} mutants killed, {len(lost)} of the others")
    print("without explanation in survivors.txt")
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
