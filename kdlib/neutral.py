r"""The Distiller on every backend of Keras: what it computes, without the steps written out.

.. math:: L = \alpha\, L_{student} + (1 - \alpha)\, T^2\, L_{distillation}

with the student's loss on the labels and the distillation loss on the teacher's logits, both
divided by T (Hinton, Vinyals and Dean 2015, section 2).
"""

import threading

import keras
from keras import ops

from kdlib._arguments import checked_whole, is_number
from kdlib._checked_model import CheckedModel
from kdlib._labels import per_pixel, unmasked
from kdlib._loss_arguments import as_loss, computes_in_float16, scaled
from kdlib._metric_arguments import of_one_output
from kdlib._pairs import check_pair, not_seen
from kdlib._settings import Setting
from kdlib._tensors import as_float
from kdlib.losses import (
    LabelCrossEntropy,
    SoftTargetBernoulliDivergence,
    SoftTargetKLDivergence,
    checked_alpha,
)
from kdlib.network_ends import logits_and_outputs, logits_model
from kdlib.softening import checked_temperature

_ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
if _ON_TENSORFLOW:
    import tensorflow as tf

_TRACED = {"teacher", "teacher_input", "student_loss_fn", "distillation_loss_fn", "ignore_class"}


class NeutralDistiller(CheckedModel):
    """What every Distiller has. :class:`kdlib.distiller.Distiller` says how it is used.

    Keras' own ``train_step`` and ``test_step`` call the model, which calls the student, and then
    :meth:`compute_loss`. ``alpha``, ``temperature``, ``teacher`` and both losses may be set at any
    time, by a callback too, and count from the next step on.

    Examples
    --------
    >>> student, teacher = (
    ...     keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]) for _ in range(2)
    ... )
    >>> model = NeutralDistiller(student, teacher)
    >>> model.compile("adam", alpha=0.1)
    >>> model.alpha = 0.5
    >>> print(model.weighted_sum(2.0, 1.0))
    5.5
    """

    def __init__(
        self,
        student,
        teacher,
        name="distiller",
        *,
        outputs=None,
        output_name=None,
        exclusive=None,
        teacher_input=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        options = {"outputs": outputs, "output_name": output_name, "exclusive": exclusive}
        self._options = options | {"teacher_input": teacher_input}
        self._reading = {
            role: {key: _of_role(value, role, key) for key, value in options.items()}
            for role in ("student", "teacher")
        }
        if not (teacher_input is None or callable(teacher_input)):
            raise ValueError(f"teacher_input is {teacher_input!r}; expected a function.")
        self.teacher_input = teacher_input
        self._logits_shape, distribution = self._checked(student, teacher)
        self.exclusive = distribution == "categorical"
        self.classes = self._logits_shape[-1]
        self._in_compile = False
        self._alpha = Setting("alpha", checked_alpha)
        self._temperature = Setting("temperature", checked_temperature)
        self.student = student
        self.teacher = teacher
        self.student_loss_tracker = keras.metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = keras.metrics.Mean(name="distillation_loss")
        # The logits of the last call, for compute_loss. MirroredStrategy has a thread a replica.
        self._last_call = threading.local()
        self.built = True
        # Under a mixed precision policy Keras would round the logits of a cache to bfloat16. The
        # student casts the images itself.
        self.autocast = False

    def _checked(self, student, teacher):
        return check_pair(student, teacher, self._reading, self.teacher_input is None)

    def compile(
        self,
        optimizer="adam",
        metrics=None,
        student_loss_fn=None,
        distillation_loss_fn=None,
        alpha=0.1,
        temperature=3.0,
        ignore_class=None,
        **kwargs,
    ):
        """Set the optimizer, the metrics, the two losses and their balance.

        Parameters
        ----------
        optimizer : keras.optimizers.Optimizer or str
            Trains the student.
        metrics : list, optional
            Compare the labels with the student's outputs. They see the sample weights, so that
            void pixels do not count. Those of Keras are checked against the form of the labels.
        student_loss_fn : keras.losses.Loss or callable, optional
            ``(labels, student_logits)``; :class:`kdlib.losses.LabelCrossEntropy` by default.
        distillation_loss_fn : keras.losses.Loss or callable, optional
            ``(teacher_logits / T, student_logits / T)``;
            :class:`kdlib.losses.SoftTargetKLDivergence` by default, or its sister for one logit
            and for sigmoids. The Distiller multiplies the result by T².
        alpha : float
            From 0 (soft targets only) to 1 (labels only).
        temperature : float
            T > 0.
        ignore_class : int, optional
            A label such as 255 or -1 that weighs 0, in both losses and in the metrics.
        **kwargs
            What ``keras.Model.compile`` also takes: ``run_eagerly``, ``jit_compile``,
            ``steps_per_execution``, ``auto_scale_loss``.

        Raises
        ------
        ValueError
            If alpha or T is out of range, a loss expects probabilities, or metrics are no list.
        """
        ours = {
            "loss": "student_loss_fn, an object over logits; left out it is their cross-entropy",
            "weighted_metrics": "metrics: pass them as that",
            "loss_weights": "alpha, the weight of the labels from 0 to 1",
        }
        for name, instead in ours.items():
            if kwargs.pop(name, None) is not None:
                raise ValueError(f"the Distiller takes no {name}; expected {instead}.")
        if not isinstance(metrics, (list, tuple, dict, type(None))):
            raise ValueError(
                f"metrics is {metrics!r}; expected a list. A loss on the labels is student_loss_fn."
            )
        metrics = of_one_output(metrics, self._output_names())
        if not (ignore_class is None or is_number(ignore_class)):
            raise ValueError(f"ignore_class is {ignore_class!r}; expected a number, such as 255.")
        checked_whole(kwargs.get("steps_per_execution", 1), "steps_per_execution")
        if kwargs.get("jit_compile", "auto") not in (True, False, "auto"):
            raise ValueError(
                f"jit_compile is {kwargs['jit_compile']!r}; expected True, False or 'auto'."
            )
        if optimizer is None:
            raise ValueError("optimizer is None; expected one, such as keras.optimizers.Adam().")
        self._check_from_here(metrics)
        self.alpha, self.temperature = alpha, temperature
        soft = SoftTargetKLDivergence if self.exclusive else SoftTargetBernoulliDivergence
        self.student_loss_fn = student_loss_fn or LabelCrossEntropy(bernoulli=not self.exclusive)
        self.distillation_loss_fn = distillation_loss_fn or soft()
        self.ignore_class = ignore_class
        if kwargs.get("auto_scale_loss", True) and computes_in_float16(self.student):
            optimizer = scaled(optimizer)
        self._in_compile = True
        try:
            super().compile(optimizer=optimizer, loss=None, weighted_metrics=metrics, **kwargs)
        finally:
            self._in_compile = False
        self._start_anew()
        self.optimizer.build(self.trainable_variables)
        self._compile_options = {
            "optimizer": self.optimizer,
            "metrics": metrics,
            "ignore_class": ignore_class,
            **kwargs,
        }

    def __setattr__(self, name, value):
        """Let what is set later count from the next step on, or refuse it."""
        if name == "student" and hasattr(self, "student"):
            raise ValueError(
                "the student of a Distiller cannot be exchanged: optimizer and adapters are made "
                "for it. Build a new Distiller(student, teacher)."
            )
        if name in ("classes", "exclusive") and hasattr(self, name):
            raise ValueError(
                f"{name} is how the networks end; say it in Distiller(student, teacher, ...)."
            )
        if name == "optimizer" and self.compiled and not self._in_compile:
            raise ValueError(
                "the optimizer of a Distiller is set by compile: call that again. To change the "
                "learning rate alone, set distiller.optimizer.learning_rate."
            )
        if name == "teacher" and hasattr(self, "teacher"):
            _, distribution = self._checked(self.student, value)
            if (distribution == "categorical") != self.exclusive:
                raise ValueError(
                    "the classes of this Distiller "
                    f"{'exclude' if self.exclusive else 'do not exclude'} each other, and those of "
                    "the new teacher are not like that; expected a new Distiller(student, teacher)."
                )
            self._tracker.untrack(self.teacher)
        if name in ("student_loss_fn", "distillation_loss_fn"):
            value = as_loss(value, name)
        several = name == "distillation_loss_fn" and self.classes > 1 and not self.exclusive
        if several and getattr(value, "over_classes", False):
            raise ValueError(
                f"distillation_loss_fn is {value.name}, which sets classes against each other, and "
                "these do not exclude each other. Leave it out: the default compares them one by "
                "one."
            )
        if name == "ignore_class" and not (value is None or is_number(value)):
            raise ValueError(f"ignore_class is {value!r}; expected a number, such as 255, or None.")
        super().__setattr__(name, value)
        if name == "teacher":
            self._connect()
        if name in _TRACED and self.compiled:
            self._start_anew()

    @property
    def alpha(self):
        """The weight of the labels: a number, and in a compiled step the tensor that holds it."""
        return self._alpha.now()

    @alpha.setter
    def alpha(self, value):
        self._change(self._alpha, value)

    @property
    def temperature(self):
        """T: a number, and in a compiled step the tensor that holds it."""
        return self._temperature.now()

    @temperature.setter
    def temperature(self, value):
        self._change(self._temperature, value)

    def _change(self, setting, value):
        if hasattr(self, "jax_state_sync"):  # within an epoch JAX holds all values elsewhere
            self.jax_state_sync()
        before = setting.number
        setting.set(value)
        if self.compiled and (before == 0) != (setting.number == 0):  # whether labels are needed
            self._start_anew()

    def _connect(self):
        """Make the functions that ask both networks for their logits."""
        both = logits_and_outputs(self.student, **self._reading["student"])
        teacher_logits = logits_model(self.teacher, **self._reading["teacher"])
        # Plain lambdas, so that Keras does not track the shared layers a second time.
        self._run_student = lambda x, training: both(x, training=training)
        self._run_teacher = lambda x: teacher_logits(x, training=False)

    def _start_anew(self):
        """Compile the steps again, if they are: what they were traced with has changed."""
        for step in ("train", "test"):
            if getattr(self, f"{step}_function", None) is not None:
                getattr(self, f"make_{step}_function")(force=True)

    def ask_student(self, x, training=False):
        """Return the student's logits and its outputs, from one pass."""
        return self._run_student(x["image"] if _has_cached(x) else x, training)

    def ask_teacher(self, x):
        """Return the teacher's logits, in inference mode, or those that came with the images."""
        if _has_cached(x):
            return ops.stop_gradient(ops.convert_to_tensor(x["teacher_logits"]))
        return ops.stop_gradient(self._answer_of_teacher(x))

    def _answer_of_teacher(self, x):
        if self.teacher_input is None:
            return self._run_teacher(x)
        seen = self.teacher_input(x)
        try:
            return self._run_teacher(seen)
        except (TypeError, ValueError) as error:
            raise not_seen(seen, self.teacher) from error

    def call(self, inputs, training=False):
        """Return what the student returns: class probabilities for the U-Nets of kdlib."""
        logits, outputs = self.ask_student(inputs, training)
        self._last_call.logits, self._last_call.outputs = logits, outputs
        return outputs

    def objectives(self, y, teacher_logits, student_logits, sample_weight=None):
        """Return the two losses, before they are weighted: (student_loss, distillation_loss).

        Both are means over all pixels of weight times loss. A pixel of weight 0 adds nothing.

        Parameters
        ----------
        y : tensor
            Labels of shape (batch, ...), integers from 0 to classes - 1; or shares of the
            classes, of the shape of the logits; or None, at alpha 0.
        teacher_logits, student_logits : tensor
            Shape (batch, ..., classes).
        sample_weight : tensor, optional
            Shape (batch, ...), or (batch,).

        Returns
        -------
        tuple of scalar tensors
        """
        sample_weight = per_pixel(sample_weight, student_logits)
        soft = (teacher_logits / self.temperature, student_logits / self.temperature)
        distillation_loss = self.distillation_loss_fn(*soft, sample_weight=sample_weight)
        if y is None:
            return self._without_labels(), distillation_loss
        student_loss = self.student_loss_fn(y, student_logits, sample_weight=sample_weight)
        return student_loss, distillation_loss

    def _without_labels(self):
        if self._alpha.number:
            raise ValueError(
                f"the batch has no labels, and alpha is {self._alpha.number}; expected alpha=0 in "
                "compile, which distils without labels, or fit(x, y)."
            )
        if self._class_weighted:
            raise ValueError(
                "class_weight without labels, which Keras leaves aside; expected labels too, or "
                "sample_weight."
            )
        return 0.0

    def weighted_sum(self, student_loss, distillation_loss):
        """Return alpha · student_loss + (1 - alpha) · T² · distillation_loss."""
        soft_weight = (1 - self.alpha) * self.temperature**2
        return self.alpha * student_loss + soft_weight * distillation_loss

    def weighted_objectives(self, y, teacher_logits, student_logits, sample_weight=None):
        """Return the weighted sum, and the :meth:`objectives` that it is made of.

        Parameters and shapes are those of :meth:`objectives`.

        Returns
        -------
        tuple of scalar tensors
            (total, student_loss, distillation_loss)
        """
        student_logits, sample_weight = unmasked(student_logits, sample_weight)
        # In float32, as alpha and T are: in float16 the logits of a cache would be rounded again.
        logits = (ops.cast(as_float(z), "float32") for z in (teacher_logits, student_logits))
        # Keras' losses return its floatx, and alpha and T are float32.
        parts = [ops.cast(part, "float32") for part in self.objectives(y, *logits, sample_weight)]
        return self.weighted_sum(*parts), *parts

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of a batch that was just called, and note both parts of it.

        Raises
        ------
        ValueError
            If ``y_pred`` is not what the last call returned, or a label is none.
        """
        last = getattr(self._last_call, "outputs", None)
        if last is None or last is not y_pred:
            raise ValueError(
                "compute_loss needs the logits behind y_pred, and y_pred is not what the last "
                "call of this Distiller returned. Call distiller(x) first and pass its result on."
            )
        student_logits, regularisation = self._last_call.logits, self.losses
        self._last_call.logits = self._last_call.outputs = None  # PyTorch compiles no del
        y, sample_weight = self.checked_labels(y, sample_weight)
        batch = y, self.ask_teacher(x), student_logits, sample_weight
        total, *parts = self.weighted_objectives(*batch)
        self._track(*parts, batch_size=ops.shape(student_logits)[0])
        return self._regularised(total, regularisation)

    def _regularised(self, total, regularisation):
        # Keras losses are scaled for tf.distribute; what the student adds itself is not yet.
        added = sum(ops.cast(each, total.dtype) for each in regularisation)
        return total + added / _replicas() if regularisation else total

    def _track(self, student_loss, distillation_loss, batch_size):
        scale = _replicas()
        self.student_loss_tracker.update_state(student_loss * scale, sample_weight=batch_size)
        self.distillation_loss_tracker.update_state(
            distillation_loss * scale, sample_weight=batch_size
        )

    def get_config(self):
        """Return what is needed to build the Distiller again, both networks included."""
        parts = {"student": self.student, "teacher": self.teacher, **self._options}
        serialize = keras.saving.serialize_keras_object
        given = {name: serialize(part) for name, part in parts.items() if part is not None}
        return {"name": self.name, **given}

    @classmethod
    def from_config(cls, config):
        """Build a Distiller from :meth:`get_config`."""
        parts = {key: config[key] for key in config if key != "name"}
        built = {key: keras.saving.deserialize_keras_object(part) for key, part in parts.items()}
        return cls(name=config["name"], **built)

    def get_compile_config(self):
        """Return the arguments of :meth:`compile`, as they are now, for saving."""
        if not self.compiled:
            return None
        losses = {name: getattr(self, name) for name in ("student_loss_fn", "distillation_loss_fn")}
        settings = {"alpha": self.alpha, "temperature": self.temperature}
        options = self._compile_options | losses | settings
        return keras.saving.serialize_keras_object(options)

    def compile_from_config(self, config):
        """Compile as saved, so that a reloaded Distiller continues where it stopped."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def trainable(self):
        """Whether the student is trainable. Setting it leaves the teacher alone."""
        return self.student.trainable if hasattr(self, "student") else True

    @trainable.setter
    def trainable(self, value):
        if hasattr(self, "student"):
            self.student.trainable = value

    @property
    def variables(self):
        """All variables: of both networks, and what the steps read alpha and T from."""
        settings = (self._alpha, self._temperature) if hasattr(self, "_temperature") else ()
        return [*super().variables, *(setting.variable for setting in settings)]

    @property
    def trainable_variables(self):
        """The student's trainable variables, never the teacher's."""
        return self.student.trainable_variables

    @property
    def non_trainable_variables(self):
        """Every other variable: the teacher's, batch statistics, seeds, alpha and T."""
        trained = {id(v) for v in self.trainable_variables}
        return [v for v in self.variables if id(v) not in trained]

    @property
    def trainable_weights(self):
        """As :attr:`trainable_variables`."""
        return self.trainable_variables

    @property
    def non_trainable_weights(self):
        """Every other weight, the teacher's among them."""
        trained = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in trained]


def _of_role(value, role, name):
    """Return what is meant for one of the networks: of a dictionary its part, or the whole."""
    if not isinstance(value, dict):
        return value
    if unknown := set(value) - {"student", "teacher"}:
        raise ValueError(
            f"{name} is for {', '.join(map(repr, unknown))}; expected 'student' or 'teacher'."
        )
    return value.get(role)


def _has_cached(x):
    """Whether the teacher's logits came with the images, from a cache."""
    return isinstance(x, dict) and set(x) == {"image", "teacher_logits"}


def _replicas():
    """Return on how many replicas of tf.distribute this runs: 1 without."""
    return tf.distribute.get_strategy().num_replicas_in_sync if _ON_TENSORFLOW else 1
