// What the live figures share: the mathematics of kdlib.softening, and small pieces of the page.

// The softmax at temperature T: exp(z_i / T) / sum_j exp(z_j / T).
export function softmax(logits, temperature = 1) {
  const top = Math.max(...logits);
  const powers = logits.map((z) => Math.exp((z - top) / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

// The entropy in bits; 0 log 0 is 0.
export function entropy(probabilities) {
  return -probabilities.reduce((sum, p) => sum + (p > 0 ? p * Math.log2(p) : 0), 0);
}

// A number with its sign, and with a minus that is as wide as a plus.
export function signed(value, digits = 3) {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value > 0 ? "+" : "−") + text;
}

// A new element: properties such as `className`, and `attributes` for the rest.
export function element(tag, { attributes = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...children);
  return made;
}

// A slider over a list of values, with its name before and its value behind it.
export function slider(name, values, start, say, change) {
  const output = element("output", { textContent: say(values[start]) });
  const input = element("input", { type: "range", min: 0, max: values.length - 1, step: 1 });
  input.value = start;
  const update = () => {
    output.textContent = say(values[input.value]);
    input.setAttribute("aria-valuetext", output.textContent);
    change(values[input.value]);
  };
  input.addEventListener("input", update);
  input.setAttribute("aria-valuetext", output.textContent);
  return element("label", { className: "control" }, element("span", { textContent: name }), input, output);
}

// Call `build(data, live)` for each figure of this name in the page; it fills the empty `live`.
export function bringToLife(name, build) {
  for (const box of document.querySelectorAll(`.interactive.${name}`)) {
    const data = JSON.parse(box.querySelector('script[type="application/json"]').textContent);
    const live = element("div", { className: "live-figure" });
    build(data, live);
    box.prepend(live);
    box.classList.add("alive");
  }
}
