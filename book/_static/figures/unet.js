// The forward pass of kdlib.unet in plain JavaScript: as a check of Keras, and fast enough.
//
// A map of features is { channels, height, width, values }: channel by channel, row by row, with a
// border of one zero on all sides, so that a 3 × 3 convolution need not ask where the image ends.

const BLOCK = 4; // output channels that are computed in one go: each input is read once for four

function map(channels, height, width) {
  return { channels, height, width, values: new Float32Array(channels * (height + 2) * (width + 2)) };
}

const plane = ({ height, width }) => (height + 2) * (width + 2);
const place = (of, channel, y) => channel * plane(of) + (y + 1) * (of.width + 2) + 1;

// A number of 16 bits (IEEE 754 half precision): sign, five bits of exponent, ten of fraction.
export function half(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// The layers of a network by name, from its manifest and its weights, as book/_ext writes them.
export function network(manifest, buffer) {
  const halves = new Uint16Array(buffer, 4 * manifest.floats);
  return Object.fromEntries(manifest.layers.map((layer) => [layer.name, {
    ...layer,
    kernel: Float64Array.from(halves.subarray(...layer.kernel), half),
    scale: new Float32Array(buffer, 4 * layer.scale, layer.outputs),
    shift: new Float32Array(buffer, 4 * layer.shift, layer.outputs),
  }]));
}

// Add one input channel's part to a row of four output channels.
function addRow(values, at, stride, rows, weights, first, step) {
  const [a, b, c, d] = rows;
  const w = weights;
  const [i, j, k, l] = [first, first + step, first + 2 * step, first + 3 * step];
  const [a0, a1, a2, a3, a4, a5, a6, a7, a8] =
    [w[i], w[i + 1], w[i + 2], w[i + 3], w[i + 4], w[i + 5], w[i + 6], w[i + 7], w[i + 8]];
  const [b0, b1, b2, b3, b4, b5, b6, b7, b8] =
    [w[j], w[j + 1], w[j + 2], w[j + 3], w[j + 4], w[j + 5], w[j + 6], w[j + 7], w[j + 8]];
  const [c0, c1, c2, c3, c4, c5, c6, c7, c8] =
    [w[k], w[k + 1], w[k + 2], w[k + 3], w[k + 4], w[k + 5], w[k + 6], w[k + 7], w[k + 8]];
  const [d0, d1, d2, d3, d4, d5, d6, d7, d8] =
    [w[l], w[l + 1], w[l + 2], w[l + 3], w[l + 4], w[l + 5], w[l + 6], w[l + 7], w[l + 8]];
  for (let x = 0, up = at - stride - 1, mid = at - 1, low = at + stride - 1; x < a.length;
    x += 1, up += 1, mid += 1, low += 1) {
    const [p, q, r] = [values[up], values[up + 1], values[up + 2]];
    const [s, t, u] = [values[mid], values[mid + 1], values[mid + 2]];
    const [e, f, g] = [values[low], values[low + 1], values[low + 2]];
    a[x] += p * a0 + q * a1 + r * a2 + s * a3 + t * a4 + u * a5 + e * a6 + f * a7 + g * a8;
    b[x] += p * b0 + q * b1 + r * b2 + s * b3 + t * b4 + u * b5 + e * b6 + f * b7 + g * b8;
    c[x] += p * c0 + q * c1 + r * c2 + s * c3 + t * c4 + u * c5 + e * c6 + f * c7 + g * c8;
    d[x] += p * d0 + q * d1 + r * d2 + s * d3 + t * d4 + u * d5 + e * d6 + f * d7 + g * d8;
  }
}

// A 3 × 3 convolution, its batch normalisation (scale and shift), and ReLU.
export function convolution(input, layer) {
  const { inputs, outputs, kernel, scale, shift } = layer;
  const output = map(outputs, input.height, input.width);
  const rows = Array.from({ length: BLOCK }, () => new Float64Array(input.width));
  for (let out = 0; out < outputs; out += BLOCK) {
    for (let y = 0; y < input.height; y += 1) {
      rows.forEach((row) => row.fill(0));
      for (let channel = 0; channel < inputs; channel += 1) {
        const first = 9 * (out * inputs + channel);
        addRow(input.values, place(input, channel, y), input.width + 2, rows, kernel, first, 9 * inputs);
      }
      rows.forEach((row, n) => {
        const [factor, term, to] = [scale[out + n], shift[out + n], place(output, out + n, y)];
        for (let x = 0; x < row.length; x += 1) {
          output.values[to + x] = Math.max(0, row[x] * factor + term);
        }
      });
    }
  }
  return output;
}

// The largest of each 2 × 2 values.
export function pool(input) {
  const output = map(input.channels, input.height / 2, input.width / 2);
  const { values } = input;
  for (let channel = 0; channel < output.channels; channel += 1) {
    for (let y = 0; y < output.height; y += 1) {
      const to = place(output, channel, y);
      const [above, below] = [place(input, channel, 2 * y), place(input, channel, 2 * y + 1)];
      for (let x = 0; x < output.width; x += 1) {
        output.values[to + x] = Math.max(values[above + 2 * x], values[above + 2 * x + 1],
          values[below + 2 * x], values[below + 2 * x + 1]);
      }
    }
  }
  return output;
}

// Sum the channels of a row, weighted, and start from a term.
function mixRow(input, y, row, kernel, first, term) {
  row.fill(term);
  for (let channel = 0; channel < input.channels; channel += 1) {
    const [from, weight] = [place(input, channel, y), kernel[first + channel]];
    for (let x = 0; x < row.length; x += 1) row[x] += weight * input.values[from + x];
  }
}

// A transposed 2 × 2 convolution, which doubles height and width; behind its channels, the skip's.
export function upAndSkip(input, layer, skip) {
  const { inputs, outputs, kernel, shift } = layer;
  const output = map(outputs + skip.channels, skip.height, skip.width);
  const row = new Float64Array(input.width);
  for (let out = 0; out < outputs; out += 1) {
    for (let y = 0; y < output.height; y += 1) {
      for (const odd of [0, 1]) {
        const first = ((2 * (y % 2) + odd) * outputs + out) * inputs;
        mixRow(input, y >> 1, row, kernel, first, shift[out]);
        const to = place(output, out, y) + odd;
        for (let x = 0; x < row.length; x += 1) output.values[to + 2 * x] = row[x];
      }
    }
  }
  output.values.set(skip.values, outputs * plane(output));
  return output;
}

// The 1 × 1 convolution to the logits: class by class, row by row, without a border.
function logitsOf(input, { outputs, inputs, kernel, shift }) {
  const result = new Float32Array(outputs * input.height * input.width);
  const row = new Float64Array(input.width);
  for (let out = 0; out < outputs; out += 1) {
    for (let y = 0; y < input.height; y += 1) {
      mixRow(input, y, row, kernel, out * inputs, shift[out]);
      result.set(row, (out * input.height + y) * input.width);
    }
  }
  return result;
}

// Colours, four bytes a pixel, as a map of three channels from 0 to 1. Both sides grow to the next
// multiple of 16, because the U-Net halves them four times; the last pixels are repeated there.
export function image(pixels, height, width) {
  const [tall, wide] = [height, width].map((size) => 16 * Math.ceil(size / 16));
  const input = map(3, tall, wide);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let y = 0; y < tall; y += 1) {
      const to = place(input, channel, y);
      for (let x = 0; x < wide; x += 1) {
        const from = Math.min(y, height - 1) * width + Math.min(x, width - 1);
        input.values[to + x] = pixels[4 * from + channel] / 255;
      }
    }
  }
  return input;
}

// The logits of an image map; `done(share)` is called after each layer.
export function forward(layers, input, done = () => {}) {
  const total = Object.keys(layers).length;
  let count = 0;
  const step = (result) => { done((count += 1) / total); return result; };
  const block = (x, name) => {
    const inner = step(convolution(x, layers[`${name}_first`]));
    return step(convolution(inner, layers[name]));
  };
  const skips = [];
  let x = input;
  for (const name of ["c1", "c2", "c3", "c4"]) {
    x = block(x, name);
    skips.push(x);
    x = pool(x);
  }
  x = block(x, "c5");
  for (const name of ["u6", "u7", "u8", "u9"]) {
    x = block(step(upAndSkip(x, layers[`${name}_up`], skips.pop())), name);
  }
  return step(logitsOf(x, layers.logits));
}

// The most probable class of each pixel: that of the largest logit, since softmax keeps the order.
export function segment(layers, pixels, height, width, done) {
  const input = image(pixels, height, width);
  const logits = forward(layers, input, done);
  const [classes, size] = [layers.logits.outputs, input.height * input.width];
  const result = new Uint8Array(height * width);
  for (let i = 0; i < result.length; i += 1) {
    const at = Math.floor(i / width) * input.width + (i % width);
    for (let k = 1; k < classes; k += 1) {
      if (logits[k * size + at] > logits[result[i] * size + at]) result[i] = k;
    }
  }
  return result;
}
