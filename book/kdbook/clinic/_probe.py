"""Training steps of somebody's Distiller under conditions that we choose, without a trace.

The last layer with weights of a network decides its logits: with a kernel of zero they equal its
bias, at every pixel, whatever is before it. A step of plain gradient descent at rate 1 then moves
the student's bias by the gradient of the loss in its logits, summed over the pixels. So the true
gradient of any Distiller can be read off, without knowing how it computes or reports its loss.
"""

import contextlib
import functools

import keras
import numpy as np

from kdbook.clinic._outputs import chosen_name, head, one_of
from kdlib.network_ends import distribution
from kdlib.softening import softmax


class Recorder(keras.optimizers.SGD):
    """Plain gradient descent that notes which variables it was built for."""

    def __init__(self, learning_rate=1.0):
        super().__init__(learning_rate)
        self.seen = {}

    def build(self, variables):
        """Note the variables, and build."""
        self.seen.update({str(id(v)): True for v in variables})
        super().build(variables)


class Probe:
    """A Distiller and a few of its images, to be measured between ``with`` and its end.

    ``teacher_changes`` collects, over all steps, which variables of the teacher a step changed.
    """

    def __init__(self, distiller, x, y, weight):
        self.distiller = distiller
        self.student, self.teacher = distiller.student, distiller.teacher
        self.x, self.y, self.weight = x, y, weight
        self.teacher_changes, self.optimized = {}, set()
        self.names = {role: chosen_name(distiller, role) for role in ("student", "teacher")}
        self.heads = {role: head(getattr(self, role), name) for role, name in self.names.items()}

    def __enter__(self):
        """Keep everything that a step could change, and let steps run without compilation."""
        model = self.distiller
        self._kept = {id(v): (v, value(v)) for v in _variables(model)}
        self._flags = _trainable_flags(model)
        names = ("optimizer", "run_eagerly", "steps_per_execution", "history", "stop_training")
        names += ("train_function", "test_function")
        self._attributes = {name: getattr(model, name) for name in names if hasattr(model, name)}
        model.run_eagerly, model.steps_per_execution = True, 1
        return self

    def __exit__(self, *_):
        """Put everything back as it was."""
        for name, kept in self._attributes.items():
            _put(self.distiller, name, kept)
        self.restore_trainable()
        self.distiller.reset_metrics()  # those that the first step made were empty before it
        for variable, kept in self._kept.values():
            variable.assign(kept)

    def restore_trainable(self):
        """Give every layer and variable the ``trainable`` that it had."""
        for owner, flag in self._flags:
            owner.trainable = flag

    def restore(self):
        """Give every variable of the two networks the value that it had."""
        for variable in (*self.student.variables, *self.teacher.variables):
            variable.assign(self._kept[id(variable)][1])

    def step(self, **data):
        """Train on one batch by gradient descent at rate 1; return how far each variable moved.

        ``data`` may replace x, y or weight. The networks keep what they learned:
        call :meth:`restore` before the next step.
        """
        before = [(v, value(v)) for v in (*self.student.variables, *self.teacher.variables)]
        optimizer = Recorder()
        self._run("fit", optimizer, **data)
        self.optimized = {int(key) for key in optimizer.seen}
        moved = {id(v): was.astype(np.float64) - value(v) for v, was in before}
        teachers = {id(v) for v in self.teacher.variables}
        for v, _ in before:
            if id(v) in teachers and np.any(moved[id(v)] != 0):
                self.teacher_changes[v.path] = v
        return moved

    def compiled(self, *batches):
        """Train on each (y, weight) as the Distiller was compiled; say what came of each.

        "error"; "NaN" if a weight of the student is one now; or "silence".
        """
        model = self.distiller
        kept, model.run_eagerly = model.run_eagerly, self._attributes["run_eagerly"]
        _put(model, "optimizer", Recorder())
        model.train_function = None
        try:
            return [self._outcome(*batch) for batch in batches]
        finally:
            model.run_eagerly, model.train_function = kept, None

    def _outcome(self, y, weight):
        try:
            self.distiller.fit(self.x, y, sample_weight=weight, batch_size=len(y), verbose=0)
        except Exception:  # whatever it is, nobody can overlook it
            return "error"
        finally:
            moved = [value(v) for v in self.student.variables]
            self.restore()
        finite = all(np.isfinite(each).all() for each in moved if each.dtype.kind == "f")
        return "silence" if finite else "NaN"

    def evaluate(self):
        """Evaluate the batch; return the variables of either network that this changed."""
        before = [(v, value(v)) for v in (*self.student.variables, *self.teacher.variables)]
        self._run("evaluate", Recorder())
        return [v.path for v, was in before if np.any(value(v) != was)]

    def _run(self, method, optimizer, x=None, y=None, weight=None):
        x, y = self.x if x is None else x, self.y if y is None else y
        model, weight = self.distiller, self.weight if weight is None else weight
        _put(model, "optimizer", optimizer)
        model.train_function = model.test_function = None
        if keras.backend.backend() == "tensorflow":
            # The step itself, without the pipeline of fit around it, which takes longer than it.
            data = keras.utils.pack_x_y_sample_weight(*map(_tensors, (x, y, weight)))
            (model.train_step if method == "fit" else model.test_step)(data)
            return
        options = {"batch_size": len(y), "verbose": 0}
        options |= {"epochs": 1, "shuffle": False} if method == "fit" else {}
        getattr(model, method)(x, y, sample_weight=weight, **options)

    @property
    def own_optimizer(self):
        """The optimizer that the Distiller was compiled with."""
        return self._attributes["optimizer"]

    def answers(self):
        """Return what the Distiller, the student and the teacher give, or None if it gives none.

        Each is a list of arrays: all outputs, or the chosen one where the Distiller gives but one.
        """
        try:
            own = self.distiller(self.x, training=False)
        except NotImplementedError:
            return None
        given, several = [own], isinstance(own, (dict, list, tuple)) and len(own) > 1
        for role in self.names:
            answer = getattr(self, role)(self.x, training=False)
            one = None if several else one_of(answer, getattr(self, role), self.names[role])
            given.append(answer if one is None else one)
        return [list(map(keras.ops.convert_to_numpy, keras.tree.flatten(each))) for each in given]

    def set_logits(self, role, logits):
        """Make a network answer with these logits, one a class, at every pixel."""
        layer = self.heads[role]
        layer.kernel.assign(np.zeros(layer.kernel.shape))
        layer.bias.assign(logits)

    def gradient(self, teacher_logits, student_logits, label, **data):
        """Return the gradient of the loss in the student's logits, for constant logits and label.

        Float64, shape (classes,): summed over the pixels, so of size one if the loss is a mean.
        """
        self.set_logits("teacher", teacher_logits)
        self.set_logits("student", student_logits)
        data.setdefault("y", self.labels(label, len(self.y)))
        if self.weight is not None:
            data.setdefault("weight", np.ones_like(self.weight[: len(data["y"])]))
        moved = self.step(**data)[id(self.heads["student"].bias)]
        self.restore()
        return moved

    def first(self):
        """Return the inputs of the first image alone."""
        return keras.tree.map_structure(lambda a: a[:1], self.x)

    def other_images(self):
        """Return the inputs with another second image."""

        def change(a):
            """Mirror and darken all images but the first."""
            a = a.copy()
            a[1:] = np.flip(a[1:], axis=1) / 2
            return a

        return keras.tree.map_structure(change, self.x)

    @property
    def pixels(self):
        """Number of labels an image."""
        shape = self.y.shape[1:-1] if self.one_hot else self.y.shape[1:]
        return int(np.prod(shape, dtype=int))

    def labels(self, label, count):
        """Return labels of one class, in the form of the batch."""
        y = np.repeat(self.y[:1], count, axis=0)
        if not self.one_hot:
            return np.full_like(y, label)
        return np.broadcast_to(np.eye(self.classes, dtype=y.dtype)[label], y.shape).copy()

    @property
    def classes(self):
        """Number of classes."""
        head = self.heads["student"]
        return int(self._output("student").shape[-1] if head is None else head.bias.shape[0])

    @property
    def one_hot(self):
        """Whether the labels are one-hot."""
        return self.y.ndim == len(self._output("student").shape) and self.y.shape[-1] > 1

    def _output(self, role):
        """Return the output that is distilled; the first, where nothing says which."""
        model = getattr(self, role)
        answer = model(self.x, training=False)
        one = one_of(answer, model, self.names[role])
        return keras.ops.convert_to_numpy(keras.tree.flatten(answer)[0] if one is None else one)

    @functools.cached_property
    def apart(self):
        """Whether each class is a yes or no of its own, as student's end or labels show."""
        try:
            end = distribution(self.student)
        except ValueError:  # it does not show
            end = None
        shares = self.one_hot and not np.allclose(self.y.sum(axis=-1), 1, atol=0.01)
        given = getattr(self.distiller, "exclusive", None) is False
        return self.classes == 1 or end == "bernoulli" or shares or given

    def why_not(self):
        """Say why the logits cannot be set, or return an empty string."""
        for role, layer in self.heads.items():
            if layer is None:
                return f"the {role} has no last layer with kernel and bias, so its logits are fixed"
        if self.apart and self.classes > 1 and not self.one_hot:
            return "several classes may hold at once, and the labels are not one number for each"
        sizes = {role: layer.bias.shape[0] for role, layer in self.heads.items()}
        if len(set(sizes.values())) != 1:
            return f"the networks have different numbers of classes: {sizes}"
        logits = np.linspace(-1, 2, self.classes)
        end, shares = "a softmax", softmax(logits)
        if self.apart:
            end, shares = "a sigmoid", 1 / (1 + np.exp(-logits))
        for role in self.heads:
            self.set_logits(role, logits)
            found = np.asarray(self._output(role), dtype=np.float64)
            self.restore()
            if found.shape[-1] != self.classes or not any(
                np.allclose(found, wanted, atol=0.02) for wanted in (logits, shares)
            ):
                return f"the {role} returns neither logits nor {end} of them, classes last"
        return ""


def _tensors(arrays):
    """Return tensors as fit hands them on: floats in Keras' float type."""

    def convert(a):
        """Make one array a tensor."""
        dtype = keras.config.floatx() if a.dtype.kind == "f" else None
        return keras.ops.convert_to_tensor(a, dtype)

    return None if arrays is None else keras.tree.map_structure(convert, arrays)


def value(variable):
    """Return a copy of the value of a variable, as NumPy."""
    return np.array(keras.ops.convert_to_numpy(variable))


@contextlib.contextmanager
def setting(owner, name, new):
    """Give an attribute another value for a while."""
    kept = getattr(owner, name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def _put(model, name, new):
    """Set an attribute of a Distiller as Keras does, whatever its own class refuses.

    Ours refuses another optimizer, which a compiled step would not use; here steps are made anew.
    """
    keras.Model.__setattr__(model, name, new)


def _variables(model):
    found = (*model.variables, *model.student.variables, *model.teacher.variables)
    return {id(v): v for v in (*found, *model.metrics_variables)}.values()


def _trainable_flags(model):
    """Return (owner, flag) pairs: outer layers before inner ones, and variables last."""
    layers, flags = [model.student, model.teacher, model], []
    while layers:
        layer = layers.pop(0)
        flags.append((layer, layer.trainable))
        layers.extend(getattr(layer, "layers", []))
    flags.sort(key=lambda pair: pair[0] is not model)
    return flags + [(v, v.trainable) for v in _variables(model) if hasattr(v, "trainable")]
