"""Both objectives, their weighted sum and its gradient in one pass, on TensorFlow.

All of it reads six numbers a pixel and does little with them, so that the time goes into reading.
Step by step it takes two to three times as long as the student's own loss; in one pass, as long.
"""

import tensorflow as tf

from kdlib.losses import as_float


def in_one_pass(weighted_objectives, setting):
    """Return the same function, compiled with XLA, with the gradient of the sum worked out beside.

    Parameters
    ----------
    weighted_objectives : callable
        ``(y, teacher_logits, student_logits, sample_weight)`` to (total, losses, ...).
    setting : callable
        Returns what else it depends on: alpha and T. What is changed counts from then on.

    Returns
    -------
    callable
        Its total has a gradient in the student's logits. The losses beside it have none.

    Examples
    --------
    >>> from kdlib.losses import kl_divergence
    >>> def objectives(y, taught, learned, weight):
    ...     loss = tf.reduce_mean(kl_divergence(taught, learned))
    ...     return 2 * loss, loss
    >>> logits = tf.constant([[2.0, 0.0]]), tf.constant([[0.0, 0.0]])
    >>> total, loss = in_one_pass(objectives, lambda: 2)(None, *logits, None)
    >>> print(f"{float(total):.4f} {float(loss):.4f}")
    0.6556 0.3278
    """
    traced = {}

    def compiled(y, teacher_logits, student_logits, sample_weight):
        now = setting()
        if now not in traced:
            traced[now] = _with_slope(weighted_objectives)

        @tf.custom_gradient
        def of_logits(student_logits):
            batch = y, teacher_logits, student_logits, sample_weight
            total, losses, slope = traced[now](*batch)
            return (total, *losses), lambda upstream, *unused: upstream * slope

        # A loss that is scaled, for logits in float16, is scaled before its gradient is rounded.
        return of_logits(as_float(student_logits))

    return compiled


def _with_slope(weighted_objectives):
    """Return a compiled function to (total, losses, gradient of the total in the logits)."""

    @tf.function(jit_compile=True)
    def with_slope(y, teacher_logits, student_logits, sample_weight):
        with tf.GradientTape() as tape:
            tape.watch(student_logits)
            total, *losses = weighted_objectives(y, teacher_logits, student_logits, sample_weight)
        return total, losses, tape.gradient(total, student_logits)

    # One trace a Distiller: TensorFlow would warn of the fifth as if it were one's.
    with_slope._omit_frequent_tracing_warning = True
    return with_slope
