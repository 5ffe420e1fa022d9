r"""The Distiller with one more term, over logits with labels, or over named layers."""

from functools import partial

import keras
from keras import layers, ops

from kdlib._arguments import checked_positive
from kdlib._ends import connected, inputs_of
from kdlib._labels import unmasked
from kdlib._settings import Setting
from kdlib.beyond.term import Term
from kdlib.network_ends import logits_and_outputs
from kdlib.neutral import NeutralDistiller, _has_cached, _replicas


@keras.saving.register_keras_serializable(package="kdlib")
class BeyondDistiller(NeutralDistiller):
    r"""A Distiller whose loss has a third term.

    .. math:: L = \alpha\, L_{student} + (1 - \alpha)\, T^2\, L_{distillation} + w\, L_{term}

    With w = 0 it is the Distiller; with α = 1 the term is added to the loss on the labels alone.
    Each network still runs once a step: it gives its logits and the features in one pass. The
    adapters are trained with the student, and are no part of it.

    Parameters
    ----------
    student, teacher : keras.Model
        As for :class:`kdlib.distiller.Distiller`.
    term : Term
        What else is compared: see :data:`kdlib.beyond.METHODS`.
    name : str
        The name of the model.

    Raises
    ------
    ValueError
        If the term is no :class:`Term`, names a layer that a network does not have, or takes a
        softmax over classes that do not exclude each other.

    Examples
    --------
    >>> from kdlib.beyond import METHODS
    >>> from kdlib.unet import multi_student_unet_model, multi_teacher_unet_model
    >>> teacher = multi_teacher_unet_model(image_height=32, image_width=32)
    >>> student = multi_student_unet_model(image_height=32, image_width=32)
    >>> distiller = BeyondDistiller(student, teacher, METHODS["attention"](layers=["c5", "u6"]))
    >>> distiller.compile("adam", alpha=1.0, weight=0.5)
    """

    def __init__(self, student, teacher, term, name="beyond_distiller", **kwargs):
        if not isinstance(term, Term):
            raise ValueError(f"the term is {term!r}; expected a kdlib.beyond.Term.")
        self._term, self.adapters = term, None
        super().__init__(student, teacher, name=name, **kwargs)
        if self.classes > 1 and not self.exclusive and term.over_classes:
            raise ValueError(
                f"{term.name} takes a softmax over classes, and these do not exclude each other; "
                "expected a term over other layers. The Distiller compares them one by one."
            )
        self._weight = Setting("weight", partial(checked_positive, name="weight", zero=True))
        self.term_tracker = keras.metrics.Mean(name="term")

    @property
    def term(self):
        """What else is compared."""
        return self._term

    @term.setter
    def term(self, value):
        raise ValueError(
            "the term of a BeyondDistiller cannot be exchanged: optimizer and adapters are made "
            "for it. Build a new BeyondDistiller(student, teacher, term)."
        )

    @property
    def weight(self):
        """The weight of the term: a number, and in a compiled step the tensor that holds it."""
        return self._weight.now()

    @weight.setter
    def weight(self, value):
        self._change(self._weight, value)

    def _connect(self):
        taught, learned = zip(*self.term.layers, strict=True)
        teacher_maps = with_features(self.teacher, taught, **self._reading["teacher"])
        student_maps = with_features(self.student, learned, **self._reading["student"])
        if self.adapters is None:
            self.adapters = [
                _adapter(t.shape, s.shape) if self.term.adapter else layers.Identity()
                for t, s in zip(teacher_maps.outputs[2:], student_maps.outputs[2:], strict=True)
            ]
        # Each gives logits, outputs and features.
        self._run_student = lambda x, training: student_maps(x, training=training)
        self._run_teacher = lambda x: teacher_maps(x, training=False)

    def ask_student(self, x, training=False):
        """Return the student's logits and its outputs, and keep its features, from one pass."""
        logits, outputs, *self._last_call.learned = super().ask_student(x, training)
        return logits, outputs

    def ask_teacher(self, x):
        """Return the teacher's logits, and keep its features, from one pass."""
        if _has_cached(x) and not self.term.over_logits:
            raise ValueError(
                f"{self.term.name} compares layers, and a cache holds logits only. Train from "
                "images, with the teacher beside."
            )
        if _has_cached(x):
            logits = super().ask_teacher(x)
            self._last_call.taught = [logits]
            return logits
        logits, _, *self._last_call.taught = map(ops.stop_gradient, self._answer_of_teacher(x))
        return logits

    @property
    def trainable_variables(self):
        """The trainable variables of student and adapters."""
        return [*self.student.trainable_variables, *self._of_adapters()]

    @property
    def variables(self):
        """All variables, with what the steps read the weight from."""
        mine = [self._weight.variable] if hasattr(self, "_weight") else []
        return [*super().variables, *mine]

    def _of_adapters(self):
        adapters = (getattr(self, "adapters", None) or ()) if self.trainable else ()
        return [v for adapter in adapters for v in adapter.trainable_variables]

    def compile(self, optimizer="adam", metrics=None, weight=1.0, **kwargs):
        """Set what the Distiller sets, and the weight of the term.

        Parameters
        ----------
        optimizer, metrics
            As for the Distiller.
        weight : float
            w, at least 0.
        **kwargs
            What :meth:`kdlib.distiller.Distiller.compile` takes: ``alpha``, ``temperature``, both
            losses, and Keras' own.

        Raises
        ------
        ValueError
            If the weight is below 0, and as the Distiller does.
        """
        self.weight = weight
        super().compile(optimizer, metrics, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of a batch that was just called: the Distiller's, and the term."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        y, sample_weight, _ = self._prepared(y, sample_weight)
        term = self._term_loss(y, sample_weight)
        self.term_tracker.update_state(term * _replicas(), sample_weight=ops.shape(y_pred)[0])
        return loss + self.weight * term

    def _term_loss(self, y, sample_weight):
        y = y[..., 0] if y is not None and self.classes == 1 else y
        taught, learned = self._last_call.taught, self._last_call.learned
        self._last_call.taught = self._last_call.learned = None
        total = 0.0
        for t, s, adapter in zip(taught, learned, self.adapters, strict=True):
            s, weight = unmasked(s, sample_weight)
            total += self.term(t, adapter(s), sample_weight=weight, labels=y)
        return total

    def get_config(self):
        """Return what is needed to build the Distiller again, networks and term included."""
        return {**super().get_config(), "term": keras.saving.serialize_keras_object(self.term)}

    def get_compile_config(self):
        """Return the arguments of :meth:`compile`, as they are now, for saving."""
        config = super().get_compile_config()
        return config and config | {"weight": self.weight}


def with_features(model, names, outputs=None, output_name=None, exclusive=None):
    """Return a model that gives logits, outputs and the outputs of named layers, in one pass.

    Parameters
    ----------
    model : keras.Model
        Functional or sequential.
    names : sequence of str
        Names of its layers. ``"logits"`` is what comes before its softmax or sigmoid,
        ``"inner/layer"`` a layer of a network that is a layer of this one.
    outputs, output_name, exclusive
        As for :func:`kdlib.network_ends.logits_model`.

    Returns
    -------
    keras.Model
        It shares the layers of ``model``.

    Raises
    ------
    ValueError
        If there is no such layer: the message lists those that there are.

    Examples
    --------
    >>> from kdlib.unet import unet
    >>> model = unet((1, 1, 1, 1, 2), 3, 16, 16)
    >>> [tuple(shape) for shape in with_features(model, ["c5"]).output_shape]
    [(None, 16, 16, 3), (None, 16, 16, 3), (None, 1, 1, 2)]
    """
    known = {layer.name: layer for layer in getattr(model, "layers", ())}
    nested = {name.partition("/")[0] for name in names if "/" in name} & set(known)
    inner = known[min(nested)] if nested else None
    if getattr(inner, "outputs", None) and getattr(model, "outputs", None):
        return _opened(model, inner, names, (outputs, output_name, exclusive))
    _check_names(model, names, known)
    both = logits_and_outputs(model, outputs, output_name, exclusive)
    features = [
        both.outputs[0] if name == "logits" else _call_of(known[name], model.outputs).outputs[0]
        for name in names
    ]
    return connected(inputs_of(both), [*both.outputs, *features], f"{model.name}_features")


def _check_names(model, names, known):
    if unknown := [name for name in names if name not in (*known, "logits")]:
        raise ValueError(
            f"model {model.name!r} has no layer {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(known)}. A layer of a network inside is called inner/layer."
        )
    if set(names) - {"logits"} and not getattr(model, "outputs", None):
        raise ValueError(
            f"model {model.name!r} is subclassed, so what its layers give cannot be reached. Build "
            "it with keras.Input and keras.Model, or compare logits alone."
        )


def _opened(model, inner, names, reading):
    """Do what :func:`with_features` does, for layers of a network inside too, in one pass."""
    node = _call_of(inner, model.outputs)
    mine = [name for name in names if name.partition("/")[0] == inner.name and "/" in name]
    wanted = [name.partition("/")[2] for name in mine]
    others = [name for name in names if name not in mine]
    if len(model.outputs) == 1 and node.outputs[0] is model.outputs[0]:  # nothing comes behind
        ends = with_features(inner, wanted, *reading)(*node.arguments.args, **node.arguments.kwargs)
        around = {layer.name: layer for layer in model.layers}
        _check_names(model, others, around)
        by_name = dict(zip(["logits", *mine], [ends[0], *ends[2:]], strict=True))
        by_name |= {
            name: _call_of(around[name], model.outputs).outputs[0]
            for name in others
            if name != "logits"
        }
        features = [by_name[name] for name in names]
        return connected(inputs_of(model), [*ends[:2], *features], f"{model.name}_features")
    own = {layer.name: layer for layer in inner.layers}
    _check_names(inner, wanted, own)
    tensors = [_call_of(own[name], inner.outputs).outputs[0] for name in wanted]
    body = connected(inputs_of(inner), [inner.outputs[0], *tensors], f"{inner.name}_opened")
    last = model.outputs[0] if isinstance(model, keras.Sequential) else model.output
    behind = keras.Model(node.outputs[0], last, name=model.name)
    given, *found = body(*node.arguments.args, **node.arguments.kwargs)
    logits, answer, *rest = with_features(behind, others, *reading)(given)
    by_name = dict(zip([*mine, *others], [*found, *rest], strict=True))
    features = [by_name[name] for name in names]
    return connected(inputs_of(model), [logits, answer, *features], f"{model.name}_features")


def _call_of(layer, tensors):
    """Return the call of a layer that the tensors come from: it may have others, elsewhere."""
    waiting, seen = list(tensors), set()
    while waiting:
        history = waiting.pop()._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        if history.operation is layer:
            return node
        if id(node) not in seen:
            seen.add(id(node))
            waiting += node.input_tensors
    raise ValueError(f"layer {layer.name!r} is there, and nothing that the network returns is its.")


def _adapter(taught, learned):
    if len(taught) < 2:
        raise ValueError(
            f"an adapter for features of shape {taught}; expected (batch, ..., width)."
        )
    shape = {"units": taught[-1]} if len(taught) != 4 else {"filters": taught[-1], "kernel_size": 1}
    adapter = (layers.Conv2D if len(taught) == 4 else layers.Dense)(**shape, dtype="float32")
    adapter.build(learned)
    return adapter
