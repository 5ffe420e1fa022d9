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

// A choice from a list, by its places.
export function menu(name, options, start, change) {
  const select = element("select", {}, ...options.map((option, i) =>
    element("option", { value: i, textContent: option, selected: i === start })));
  select.addEventListener("change", () => change(Number(select.value)));
  return control(name, select);
}

// The bytes behind base64.
export function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// Class ids as kdbook.explorers.pack packs them: three bits for the class, five for the length.
export function classes(text) {
  return Uint8Array.from([...bytes(text)].flatMap((run) => Array((run & 31) + 1).fill(run >> 5)));
}

// Paint a square canvas: `shade(place)` gives the place of its colour in `colors`, as "#rrggbb".
export function paint(canvas, colors, shade) {
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const parts = colors.map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));
  for (let place = 0; place < canvas.width * canvas.height; place += 1) {
    picture.data.set([...parts[shade(place)], 255], 4 * place);
  }
  context.putImageData(picture, 0, 0);
}

// The colours and their names, in one line.
export function legend(names, colors) {
  return element("p", { className: "legend" }, ...names.map((name, i) => {
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = colors[i];
    return element("span", {}, swatch, name);
  }));
}

export const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

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
