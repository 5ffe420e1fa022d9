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

// A knob with its name before it, and what it says behind it.
let knobs = 0;
export function control(name, knob, ...behind) {
  knob.id = `knob-${(knobs += 1)}`;
  const label = element("label", { htmlFor: knob.id, textContent: name });
  return element("div", { className: "control" }, label, knob, ...behind);
}

// A slider over a list of values.
export function slider(name, values, start, say, change) {
  const input = element("input", { type: "range", min: 0, max: values.length - 1, step: 1 });
  const said = element("span", { className: "value" });
  const show = () => {
    said.textContent = say(values[input.value]);
    input.setAttribute("aria-valuetext", said.textContent);
  };
  input.value = start;
  input.addEventListener("input", () => { show(); change(values[input.value]); });
  show();
  return control(name, input, said);
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
