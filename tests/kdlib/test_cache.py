"""The cache of soft targets: what it holds, whom it refuses, and what kills do to it."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import textwrap
import time

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kdlib import cache, data
from kdlib.cache import header as headers
from kdlib.cache import writing
from kdlib.data.batches import turned
from kdlib.distiller import Distiller
from kdlib.losses import kl_divergence
from kdlib.softening import softmax
from kdlib.unet import logits_model, unet
from tests.kdlib.small import values

SIZE, CLASSES = 16, 6


def network(width=3, seed=2, **options):
    keras.utils.set_random_seed(seed)
    return unet((width,) * 5, CLASSES, SIZE, SIZE, **options)


def some_patches(count=4):
    patches = data.cut(data.synthetic.city(n_images=1, size=64, seed=1), SIZE)
    return patches.take(np.arange(count))


@pytest.fixture(scope="module")
def teacher():
    return network(normalization="batch")


@pytest.fixture(scope="module")
def patches():
    return some_patches()


@pytest.fixture
def small_files(monkeypatch):
    """Make a file hold the views of one patch."""
    monkeypatch.setattr(headers, "FILE_BYTES", 1)


def said(teacher, images):
    logits = logits_model(teacher)(images * np.float32(1 / 255), training=False)
    return keras.ops.convert_to_numpy(logits)


@pytest.mark.parametrize("store, tolerance", [("float32", 1e-6), ("float16", 2e-3)])
def test_each_view_is_what_the_teacher_says_of_it(tmp_path, teacher, patches, store, tolerance):
    targets = cache.write(tmp_path, teacher, patches, views=8, store=store)
    for turn in range(8):
        asked = np.stack([turned(patches.images[n], turn) for n in (2, 0)])
        found = targets.logits([2, 0], [turn, turn])
        assert found.dtype == store
        np.testing.assert_allclose(found, said(teacher, asked), atol=tolerance)


def test_a_teacher_of_ones_own_may_end_in_a_softmax_of_any_name(tmp_path, patches):
    keras.utils.set_random_seed(3)
    last = keras.layers.Conv2D(CLASSES, 3, padding="same", activation="softmax", name="answer")
    teacher = keras.Sequential([keras.Input((SIZE, SIZE, 3)), last])
    targets = cache.write(tmp_path, teacher, patches, views=1, store="float32")
    p = keras.ops.convert_to_numpy(teacher(patches.images[[1]] * np.float32(1 / 255)))
    found = targets.logits([1], [0])
    np.testing.assert_allclose(softmax(found), p, atol=1e-6)
    assert found.min() < 0  # logits, and no probabilities


def test_the_teacher_is_not_equivariant_so_that_views_are_needed(tmp_path, teacher, patches):
    targets = cache.write(tmp_path, teacher, patches, views=8, store="float32")
    plain, flipped = targets.logits([0], [0])[0], targets.logits([0], [4])[0]
    assert np.abs(turned(plain, 4) - flipped).max() > 1e-3


def test_one_view_and_the_default_of_turns(tmp_path, teacher, patches):
    targets = cache.write(tmp_path, teacher, patches, store="float32")
    found = targets.logits(range(len(patches)))
    np.testing.assert_allclose(found, said(teacher, patches.images), atol=1e-6)


def test_the_order_of_files_does_not_matter(tmp_path, teacher, patches, small_files):
    targets = cache.write(tmp_path, teacher, patches, views=8, store="float32")
    assert len(list(tmp_path.glob("*.targets"))) == len(patches)
    found = targets.logits([3, 1], [5, 0])
    np.testing.assert_allclose(
        found[0], said(teacher, turned(patches.images[3], 5)[None])[0], atol=1e-6
    )
    np.testing.assert_allclose(found[1], said(teacher, patches.images[1:2])[0], atol=1e-6)


LOGITS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=4, max_dims=4, max_side=4),
    elements=st.floats(-60000, 60000, width=32),
)


@given(LOGITS)
def test_eight_bits_err_by_half_a_step_at_most(logits):
    records = cache.encoded(logits, "uint8")
    error = np.abs(cache.decoded(records).astype(float) - logits).max(axis=(1, 2, 3))
    span = np.ptp(logits.astype(float), axis=(1, 2, 3))
    # The second part is for numbers so small that float32 has few digits left for them.
    rounding = 4 * np.finfo(np.float32).eps * np.abs(logits).max(initial=0) + 1e-36
    assert (error <= span / 510 + rounding).all()
    np.testing.assert_allclose(records["error"], error, atol=rounding + 1e-30)


@given(LOGITS)
def test_float16_errs_by_its_rounding_and_float32_not_at_all(logits):
    for store, relative in (("float32", 0), ("float16", 2.0**-11)):
        found = cache.decoded(cache.encoded(logits, store)).astype(np.float32)
        np.testing.assert_allclose(found, logits, rtol=relative, atol=2.0**-25 if relative else 0)


@given(LOGITS.map(lambda z: z % 20), st.sampled_from([0.5, 1.0, 3.0, 10.0]), st.integers(0, 9))
def test_the_gradient_moves_by_half_the_error_at_most(logits, temperature, seed):
    """The claim of kdlib.cache.stores: T (q - p), and p from logits that are off by delta."""
    records = cache.encoded(logits, "uint8")
    delta = float(records["error"].max())

    def softened(z):
        z = z.astype(float) / temperature
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    moved = temperature * np.abs(softened(cache.decoded(records)) - softened(logits)).max()
    assert moved <= delta / 2 * (1 + 1e-4) + 1e-9


def test_the_loss_of_a_trained_teacher_hardly_moves(tmp_path):
    teacher = keras_pretrained()
    patches = data.cut(data.synthetic.city(n_images=1, size=128, seed=3), 64)
    exact = said(teacher, patches.images)
    student = np.random.default_rng(0).normal(size=exact.shape).astype("float32")
    right = mean_loss(exact, student)
    for store, tolerance in (("float16", 1e-4), ("uint8", 2e-3)):
        targets = cache.write(tmp_path / store, teacher, patches, store=store)
        near = mean_loss(targets.logits(range(len(patches))).astype("float32"), student)
        assert near == pytest.approx(right, rel=tolerance)
        assert np.abs(targets.logits([0]) - exact[:1]).max() <= targets.largest_error() * 1.001


def keras_pretrained():
    from kdlib import pretrained

    return pretrained("student", "city")


def mean_loss(teacher, student, temperature=3.0):
    loss = kl_divergence(teacher, student, temperature)
    return float(keras.ops.mean(loss)) * temperature**2


@pytest.mark.parametrize("views", [1, 8])
def test_cached_batches_are_the_batches_with_the_logits_of_their_views(
    tmp_path, teacher, patches, views
):
    options = {"augment": views == 8, "seed": 3, "steps": 3, "shuffle": True}
    targets = cache.write(tmp_path, teacher, patches, views=views, store="float32")
    cached = cache.CachedBatches(patches, targets, batch_size=3, **options)
    plain = data.Batches(patches, batch_size=3, **options)
    for _ in range(2):
        for index in range(3):
            (inputs, *rest), (images, *others) = cached[index], plain[index]
            for a, b in zip([inputs["image"], *rest], [images, *others], strict=True):
                np.testing.assert_array_equal(a, b)
            logits = keras.ops.convert_to_numpy(logits_model(teacher)(images, training=False))
            np.testing.assert_allclose(inputs["teacher_logits"], logits, atol=1e-6)
        cached.on_epoch_end()
        plain.on_epoch_end()


def trained(batches, teacher, **options):
    student = network(2, seed=1, dropout=0.0, normalization="batch")
    distiller = Distiller(student, teacher)
    distiller.compile(keras.optimizers.SGD(0.1), alpha=0.3, temperature=2.0, **options)
    history = distiller.fit(batches, epochs=2, shuffle=False, verbose=0)
    return values(student.weights), history.history


@pytest.mark.parametrize(
    "store, tolerance", [("float32", 1e-5), ("float16", 1e-3), ("uint8", 2e-2)]
)
def test_training_from_the_cache_is_training_online(tmp_path, teacher, patches, store, tolerance):
    options = {"batch_size": 2, "augment": True, "seed": 5, "shuffle": True}
    targets = cache.write(tmp_path, teacher, patches, views=8, store=store)
    online, history = trained(data.Batches(patches, **options), teacher)
    cached, same = trained(cache.CachedBatches(patches, targets, **options), teacher)
    assert max(np.abs(a - b).max() for a, b in zip(online, cached, strict=True)) <= tolerance
    for name, curve in history.items():
        np.testing.assert_allclose(same[name], curve, rtol=tolerance, atol=tolerance)


class Silent(keras.layers.Layer):
    """Fails whenever a number is to come out of it."""

    def call(self, inputs):
        raise AssertionError("the teacher was asked")

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype="float32")


def test_the_teacher_is_not_run(tmp_path, teacher, patches):
    targets = cache.write(tmp_path, teacher, patches)
    image = keras.Input((SIZE, SIZE, 3))
    dense = keras.layers.Dense(CLASSES)(Silent()(image))
    silent = keras.Model(image, keras.layers.Activation("linear", name="logits")(dense))
    batches = cache.CachedBatches(patches, targets, 2)
    distiller = Distiller(network(2, seed=1), silent)
    distiller.compile("sgd", metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
    assert np.isfinite(distiller.fit(batches, verbose=0).history["loss"][0])
    assert set(distiller.evaluate(batches, verbose=0, return_dict=True)) >= {"loss", "accuracy"}
    assert distiller.predict(batches, verbose=0).shape == (len(patches), SIZE, SIZE, CLASSES)


def test_logits_of_a_cache_keep_their_precision_under_a_mixed_policy(patches, teacher):
    image = patches.images[:1] * np.float32(1 / 255)
    logits = np.full((1, SIZE, SIZE, CLASSES), 1.001, "float32")  # bfloat16 would make it 1
    seen = []

    class Seen(keras.losses.Loss):
        def call(self, y_true, y_pred):
            seen.append(y_true)
            return keras.ops.mean(y_pred - y_true, axis=-1)

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        distiller = Distiller(network(2, seed=1), teacher)
    finally:
        keras.config.set_dtype_policy(before)
    distiller.compile("sgd", distillation_loss_fn=Seen(), temperature=1.0, run_eagerly=True)
    outputs = distiller({"image": image, "teacher_logits": logits})
    labels = patches.labels[:1].astype("int32")
    distiller.compute_loss({"image": image, "teacher_logits": logits}, labels, outputs)
    assert float(keras.ops.max(seen[0])) == pytest.approx(1.001, abs=1e-6)


def test_another_teacher_is_refused(tmp_path, teacher, patches):
    cache.write(tmp_path, teacher, patches)
    for other in (network(seed=9, normalization="batch"), network(normalization=None)):
        for attempt in (cache.read, cache.write):
            with pytest.raises(ValueError, match="another teacher's: it has hash .* expected"):
                attempt(tmp_path, other, patches)


def test_a_teacher_that_was_trained_on_is_refused(tmp_path, patches):
    teacher = network()
    cache.write(tmp_path, teacher, patches)
    teacher.weights[0].assign(teacher.weights[0] + 1e-4)
    with pytest.raises(ValueError, match="another teacher's"):
        cache.read(tmp_path, teacher, patches)


def functional(*layers):
    """Return a network of some layers and a last one, with weights that their shapes decide."""
    image = features = keras.Input((SIZE, SIZE, 3))
    for layer in layers:
        features = layer(features)
    model = keras.Model(image, keras.layers.Conv2D(CLASSES, 1, name="logits")(features))
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(scale=0.5, size=each.shape) for each in model.weights])
    return model


def nested(activation):
    def block(features):
        inner = keras.Input(features.shape[1:])
        outer = keras.layers.Conv2D(4, 3, padding="same", activation=activation)(inner)
        return keras.Model(inner, outer)(features)

    return functional(block)


def dilated(rate):
    return functional(keras.layers.Conv2D(4, 3, padding="same", dilation_rate=rate))


def resized(interpolation):
    up = keras.layers.UpSampling2D(2, interpolation=interpolation)
    return functional(keras.layers.AveragePooling2D(2), up)


class Scaled(keras.Model):
    """Has a constant that no layer and no weight knows of."""

    def __init__(self, constant, **options):
        super().__init__(**options)
        self.constant = constant
        self.last = keras.layers.Conv2D(CLASSES, 3, padding="same")

    def call(self, inputs):
        return self.last(inputs - self.constant)


def scaled(constant):
    keras.utils.set_random_seed(3)
    model = Scaled(constant)
    model(keras.Input((SIZE, SIZE, 3)))
    return model


SETTINGS = {
    "scale": lambda second: functional(keras.layers.Rescaling(1.05 if second else 1.0)),
    "slope": lambda second: functional(
        keras.layers.Conv2D(4, 1), keras.layers.LeakyReLU(0.1 if second else 0.2)
    ),
    "dilation": lambda second: dilated(1 + second),
    "interpolation": lambda second: resized("bilinear" if second else "nearest"),
    "nested": lambda second: nested("tanh" if second else "relu"),
    "subclassed": lambda second: scaled(0.45 if second else 0.5),
}


@pytest.mark.parametrize("store", cache.STORES)
@pytest.mark.parametrize("which", SETTINGS)
def test_a_teacher_of_other_settings_is_refused(tmp_path, patches, which, store, small_files):
    first, second = (SETTINGS[which](other) for other in (False, True))
    assert cache.hash_of_teacher(first) == cache.hash_of_teacher(second)
    cache.write(tmp_path, first, patches, views=8, store=store)
    assert cache.read(tmp_path, SETTINGS[which](False), patches).header.store == store
    # Of what a killed writer left, too.
    for remove in (0, 2):
        for path in sorted(tmp_path.glob("*.targets"))[:remove]:
            path.unlink()
        with pytest.raises(ValueError, match="is another teacher's: the logits it holds of patch"):
            cache.write(tmp_path, second, patches, views=8, store=store)
    cache.write(tmp_path, first, patches, views=8, store=store)
    with pytest.raises(ValueError, match="a setting differs, such as a scale"):
        cache.read(tmp_path, second, patches)


def test_a_patch_that_shows_nothing_does_not_hide_another_teacher(tmp_path, patches):
    images = patches.images.copy()
    images[0] = 0  # black at any scale
    dark = dataclasses.replace(patches, images=images)
    cache.write(tmp_path, SETTINGS["scale"](False), dark)
    with pytest.raises(ValueError, match="it holds of patch 1"):
        cache.read(tmp_path, SETTINGS["scale"](True), dark)


def test_a_teacher_of_another_size_of_answers_is_refused(tmp_path, patches):
    def upsampled(size, strides):
        up = keras.layers.UpSampling2D(size)
        return functional(up, keras.layers.Conv2D(4, 2, strides=strides, padding="same"))

    cache.write(tmp_path, upsampled(2, 2), patches)
    with pytest.raises(ValueError, match="Expected an answer for each of their pixels"):
        cache.read(tmp_path, upsampled(1, 2), patches)


class Rounded(keras.layers.Layer):
    """Answers with errors such as another machine makes: of a share of what it answers."""

    def __init__(self, share, **options):
        super().__init__(**options)
        self.share = share

    def call(self, inputs):
        size = keras.ops.sqrt(keras.ops.mean(keras.ops.square(inputs)))
        noise = keras.random.normal(keras.ops.shape(inputs), dtype=inputs.dtype, seed=1)
        return inputs + self.share * size * noise


def rounded(share):
    return functional(keras.layers.Conv2D(4, 3, padding="same"), Rounded(share))


@pytest.mark.parametrize("store", cache.STORES)
def test_what_another_machine_rounds_otherwise_is_the_same_teacher(tmp_path, patches, store):
    cache.write(tmp_path, rounded(0.0), patches, views=8, store=store)
    # A thousandth is what TF32 does, which GPUs use for networks in float32.
    assert cache.read(tmp_path, rounded(1e-3), patches).header.store == store
    with pytest.raises(ValueError, match="another teacher's"):
        cache.read(tmp_path, rounded(2e-2), patches)


def under(policy, build, *arguments):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        return build(*arguments)
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_a_teacher_in_another_precision_is_read_again(tmp_path, patches, policy):
    cache.write(tmp_path, under(policy, dilated, 1), patches, views=8)
    assert cache.read(tmp_path, under(policy, dilated, 1), patches).header.views == 8
    with pytest.raises(ValueError, match="another teacher's: the logits"):
        cache.read(tmp_path, under(policy, dilated, 2), patches)


def test_bfloat16_may_round_by_more(tmp_path, patches):
    cache.write(tmp_path, under("mixed_bfloat16", rounded, 0.0), patches)
    assert cache.read(tmp_path, under("mixed_bfloat16", rounded, 0.015), patches)
    with pytest.raises(ValueError, match="another teacher's"):
        cache.read(tmp_path, under("mixed_bfloat16", rounded, 0.1), patches)


def test_a_teacher_that_does_not_answer_in_numbers_is_refused(tmp_path, patches):
    cache.write(tmp_path, rounded(0.0), patches)
    with pytest.raises(ValueError, match="are nan .root mean square. from what this teacher says"):
        cache.read(tmp_path, rounded(np.nan), patches)


def test_other_images_are_refused(tmp_path, teacher, patches):
    targets = cache.write(tmp_path, teacher, patches)
    images = patches.images.copy()
    images[1, 2, 3, 0] ^= 1
    other = dataclasses.replace(patches, images=images)
    for attempt in (cache.read, cache.write):
        with pytest.raises(ValueError, match="of other images: it has hash"):
            attempt(tmp_path, teacher, other)
    with pytest.raises(ValueError, match="Write the soft targets of these patches first"):
        cache.CachedBatches(other, targets, 2)


def test_other_labels_are_no_other_images(tmp_path, teacher, patches):
    cache.write(tmp_path, teacher, patches)
    other = dataclasses.replace(patches, labels=np.zeros_like(patches.labels))
    assert cache.read(tmp_path, teacher, other).header.patches == len(patches)


def test_other_precision_is_another_teacher(teacher):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        narrow = network(normalization="batch")
    finally:
        keras.config.set_dtype_policy(before)
    narrow.set_weights(teacher.get_weights())
    assert cache.hash_of_teacher(narrow) != cache.hash_of_teacher(teacher)


def test_names_do_not_count():
    assert cache.hash_of_teacher(network(name="a")) == cache.hash_of_teacher(network(name="b"))


def test_it_is_taken_up_where_it_stopped(tmp_path, teacher, patches, small_files, monkeypatch):
    written = cache.write(tmp_path, teacher, patches, views=8)
    names = sorted(path.name for path in tmp_path.glob("*.targets"))
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in names}
    (tmp_path / names[1]).unlink()
    with pytest.raises(FileNotFoundError, match=f"not complete: {names[1]}.*goes on where it"):
        cache.read(tmp_path, teacher, patches)
    cache.write(tmp_path, teacher, patches, views=8)
    after = {name: (tmp_path / name).stat().st_mtime_ns for name in names}
    assert [name for name in names if before[name] != after[name]] == [names[1]]
    assert written.logits([1], [3]).shape == (1, SIZE, SIZE, CLASSES)


def test_a_cache_with_files_of_another_size_is_read_and_gone_on_with(
    tmp_path, teacher, patches, monkeypatch
):
    cache.write(tmp_path, teacher, patches, store="float32")
    monkeypatch.setattr(headers, "FILE_BYTES", 1)
    for targets in (
        cache.read(tmp_path, teacher, patches),
        cache.write(tmp_path, teacher, patches, store="float32"),
    ):
        right = said(teacher, patches.images)[3:]
        np.testing.assert_allclose(targets.logits([3]), right, atol=1e-6)
    assert len(list(tmp_path.glob("*.targets"))) == 1


def test_a_cut_file_is_refused(tmp_path, teacher, patches):
    cache.write(tmp_path, teacher, patches)
    (path,) = tmp_path.glob("*.targets")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="bytes; expected .* it is damaged. Delete it"):
        cache.read(tmp_path, teacher, patches)


@pytest.mark.parametrize("store", cache.STORES)
def test_a_flipped_bit_in_the_last_file_is_refused(tmp_path, teacher, patches, small_files, store):
    targets = cache.write(tmp_path, teacher, patches, store=store)
    whole = targets.logits(range(4))
    *_, path = sorted(tmp_path.glob("*.targets"))
    right = path.read_bytes()
    # Of the scale, of a logit, and of the checksum itself.
    for place in (0, len(right) // 2, len(right) - 1):
        wrong = bytearray(right)
        wrong[place] ^= 4
        path.write_bytes(wrong)
        for attempt in (cache.read, lambda *given: cache.write(*given, store=store)):
            with pytest.raises(ValueError, match="its checksum differs: it is damaged. Delete it"):
                attempt(tmp_path, teacher, patches)
    path.unlink()
    cache.write(tmp_path, teacher, patches, store=store)
    assert path.read_bytes() == right
    found = cache.read(tmp_path, teacher, patches).logits(range(4))
    np.testing.assert_array_equal(found, whole)


def test_files_that_changed_places_are_refused(tmp_path, teacher, patches, small_files):
    cache.write(tmp_path, teacher, patches)
    first, second, *_ = sorted(tmp_path.glob("*.targets"))
    data_of_first = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data_of_first)
    with pytest.raises(ValueError, match="checksum differs"):
        cache.read(tmp_path, teacher, patches)


def earlier(folder, teacher, patches, monkeypatch, **options):
    """Write a cache as the edition did that knew no checksums."""
    new = headers.new_header
    with monkeypatch.context() as patched:
        patched.setattr(
            writing, "new_header", lambda *given: dataclasses.replace(new(*given), format=1)
        )
        return cache.write(folder, teacher, patches, **options)


def test_a_cache_of_an_earlier_edition_is_read_and_gone_on_with(
    tmp_path, teacher, patches, small_files, monkeypatch
):
    written = earlier(tmp_path, teacher, patches, monkeypatch, views=8)
    header = json.loads((tmp_path / headers.HEADER).read_text())
    assert header["format"] == 1
    paths = sorted(tmp_path.glob("*.targets"))
    for path in paths:
        assert path.stat().st_size == 8 * written.header.record.itemsize
    paths[2].unlink()
    cache.write(tmp_path, teacher, patches, views=8)
    assert paths[2].stat().st_size == 8 * written.header.record.itemsize
    found = cache.read(tmp_path, teacher, patches).logits([2], [3])
    right = said(teacher, turned(patches.images[2], 3)[None])
    np.testing.assert_allclose(found, right, atol=2e-3)


def test_the_header_of_an_earlier_edition_names_the_same_files(tmp_path):
    """As kdlib 0.1 wrote it: names of files are made of its text."""
    text = """{
 "format": 1,
 "teacher": "a",
 "images": "b",
 "patches": 1,
 "views": 1,
 "shape": [
  1,
  1,
  6
 ],
 "store": "float16",
 "patches_a_file": 7
}"""
    (tmp_path / headers.HEADER).write_text(text)
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    assert list(headers.read_header(tmp_path).files) == [f"{mark}-00000000.targets"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 3}', '{"format": 1, "views": 3}'])
def test_a_damaged_header_is_refused(tmp_path, teacher, patches, text):
    (tmp_path / headers.HEADER).write_text(text)
    with pytest.raises(ValueError, match="is damaged, or of another version of kdlib"):
        cache.read(tmp_path, teacher, patches)


def test_what_killed_writers_left_is_removed_once_it_is_old(tmp_path, teacher, patches):
    old, new = tmp_path / ".1.partial.a.targets", tmp_path / ".2.partial.b.targets"
    for path in (old, new):
        path.write_bytes(b"piece")
    os.utime(old, (time.time() - 3600,) * 2)
    cache.write(tmp_path, teacher, patches)
    assert (old.exists(), new.exists()) == (False, True)


WRITER = """
    import sys, time
    import numpy as np
    from kdlib import cache
    from kdlib.cache import header, writing
    from tests.kdlib.test_cache import network, some_patches

    header.FILE_BYTES = 1
    records = writing._records

    def slowly(*arguments):
        print("working", flush=True)
        time.sleep({pause})
        return records(*arguments)

    writing._records = slowly
    cache.write(sys.argv[1], network(normalization="batch"), some_patches(12), views=8)
    print("done", flush=True)
"""


def writer(folder, pause):
    code = textwrap.dedent(WRITER).format(pause=pause)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )


def test_a_killed_writer_leaves_what_can_be_gone_on_with(tmp_path, teacher):
    killed = writer(tmp_path, pause=0.2)
    for _ in range(4):
        assert killed.stdout.readline() == "working\n"
    killed.kill()
    killed.communicate(timeout=300)
    done = len(list(tmp_path.glob("*.targets")))
    assert 3 <= done < 12
    more = some_patches(12)
    again = writer(tmp_path, pause=0)
    said_again = again.communicate(timeout=300)[0].split()
    assert said_again == ["working"] * (12 - done) + ["done"]
    targets = cache.read(tmp_path, teacher, more)
    found = targets.logits(range(12), [6] * 12)
    asked = np.stack([turned(image, 6) for image in more.images])
    np.testing.assert_allclose(found, said(teacher, asked), atol=2e-3)


def test_two_writers_at_once(tmp_path, teacher):
    both = [writer(tmp_path, pause=0.05) for _ in range(2)]
    lines = [each.communicate(timeout=300)[0].split() for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert all(each[-1] == "done" for each in lines)
    assert not list(tmp_path.glob(".*.partial.*"))
    more = some_patches(12)
    found = cache.read(tmp_path, teacher, more).logits(range(12))
    np.testing.assert_allclose(found, said(teacher, more.images), atol=2e-3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"views": 4}, "views is 4; expected 1, the patch as it is, or 8"),
        ({"views": True}, "views is True"),
        ({"store": "int4"}, "store is 'int4'; expected one of float32, float16, uint8"),
        ({"batch_size": 0}, "batch_size is 0; expected an integer of 1 or more"),
    ],
)
def test_bad_arguments(tmp_path, teacher, patches, options, message):
    with pytest.raises(ValueError, match=message):
        cache.write(tmp_path / "new", teacher, patches, **options)
    assert not (tmp_path / "new").exists()


def test_patches_that_the_teacher_does_not_fit(tmp_path, teacher):
    larger = data.cut(data.synthetic.city(n_images=1, size=64), 32)
    with pytest.raises(ValueError, match="the teacher takes .* the patches are .32, 32, 3"):
        cache.write(tmp_path, teacher, larger)


def test_no_patches_and_patches_that_cannot_be_turned(tmp_path, teacher, patches):
    with pytest.raises(ValueError, match="0 images of type uint8 came; expected one or more"):
        cache.write(tmp_path, teacher, patches.take([]))
    narrow = dataclasses.replace(
        patches, images=patches.images[:, :, :8], labels=patches.labels[:, :, :8]
    )
    keras.utils.set_random_seed(0)
    with pytest.raises(ValueError, match="cannot be turned by 90 degrees"):
        cache.write(tmp_path, teacher, narrow, views=8)


def test_other_views_or_store_of_the_same(tmp_path, teacher, patches):
    targets = cache.write(tmp_path, teacher, patches)
    with pytest.raises(ValueError, match="holds 1 views a patch in float16; asked for were 8 in"):
        cache.write(tmp_path, teacher, patches, views=8, store="uint8")
    with pytest.raises(ValueError, match="holds one view of each patch"):
        cache.CachedBatches(patches, targets, 2, augment=True)
    with pytest.raises(ValueError, match="view 3 was asked for.*holds 0 to 0"):
        targets.logits([0], [3])
    with pytest.raises(ValueError, match="patch 4 was asked for.*holds 0 to 3"):
        targets.logits([4])


def test_no_cache(tmp_path, teacher, patches):
    with pytest.raises(FileNotFoundError, match="holds no cache of soft targets.*kdlib.cache.wri"):
        cache.read(tmp_path / "nothing", teacher, patches)


def test_a_file_where_the_folder_was_to_be(tmp_path, teacher, patches):
    path = tmp_path / "file"
    path.write_text("mine")
    for folder in (path, path / "cache", str(path)):
        for attempt in (cache.read, cache.write):
            with pytest.raises(ValueError, match="file(/cache)? is no folder: there is a file of"):
                attempt(folder, teacher, patches)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("value", [np.nan, np.inf, 70000.0])
def test_logits_that_float16_cannot_hold(value):
    with pytest.raises(ValueError, match="float16 holds finite numbers up to 6.55e"):
        cache.encoded(np.full((1, 1, 1, 2), value), "float16")
    if np.isfinite(value):
        assert cache.decoded(cache.encoded(np.full((1, 1, 1, 2), value), "float32")).max() == value


def test_a_full_disk_is_noticed_before(tmp_path, teacher, patches, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with pytest.raises(OSError, match="GB more, and 0.00 GB are free"):
        cache.write(tmp_path, teacher, patches)


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path, teacher, patches, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        cache.write(tmp_path, teacher, patches)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 500), st.sampled_from([1, 8]), st.sampled_from(sorted(cache.STORES)))
def test_every_patch_is_in_one_file(count, views, store):
    header = headers.new_header("t", "i", count, views, (64, 64, 6), store)
    files = header.files
    assert [n for here in files.values() for n in here] == list(range(count))
    assert all(len(here) <= header.patches_a_file for here in files.values())
    first = next(iter(files))
    other = dataclasses.replace(header, teacher="another")
    assert first not in other.files
