// Temperature: what the teacher says about each pixel of a patch, softened at T.

import { bringToLife, bytes, element, entropy, slider, softmax } from "./common.js";

const TEMPERATURES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50];
const NOTHING_OPEN = [0, 34, 78]; // dark blue
const ALL_OPEN = [254, 232, 56]; // yellow: the two ends of a scale that all eyes can tell apart

// The patch as the data holds it: `logits(place)` and `labels[place]`, place = row * side + column.
export function unpack(data) {
  const stored = bytes(data.logits);
  const classes = data.classes.length;
  const logits = (place) =>
    Array.from({ length: classes }, (_, i) => data.low + data.step * stored[place * classes + i]);
  return { logits, labels: bytes(data.labels) };
}

// Draw how many bits are left open at each pixel; return their mean.
function drawEntropy(canvas, data, patch, temperature) {
  const most = Math.log2(data.classes.length);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(data.side, data.side);
  let sum = 0;
  for (let place = 0; place < data.side ** 2; place += 1) {
    const open = entropy(softmax(patch.logits(place), temperature));
    sum += open;
    for (let c = 0; c < 3; c += 1) {
      picture.data[4 * place + c] = NOTHING_OPEN[c] + (open / most) * (ALL_OPEN[c] - NOTHING_OPEN[c]);
    }
    picture.data[4 * place + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
  return sum / data.side ** 2;
}

function table(data) {
  const head = element("tr");
  ["class", "logit", "hard label", "soft target"].forEach((title) =>
    head.append(element("th", { textContent: title, scope: "col" })));
  const body = element("tbody");
  data.classes.forEach((name, i) => {
    const bar = element("span", { className: "bar" });
    bar.style.background = data.colors[i];
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = data.colors[i];
    body.append(element("tr", {},
      element("th", { scope: "row" }, swatch, name),
      element("td", { className: "logit number" }),
      element("td", { className: "hard number" }),
      element("td", {}, element("span", { className: "soft number" }),
        element("span", { className: "share", ariaHidden: "true" }, bar))));
  });
  return element("table", {}, element("thead", {}, head), body);
}

function fill(rows, logits, label, targets) {
  rows.forEach((row, i) => {
    row.querySelector(".logit").textContent = logits[i].toFixed(2).replace("-", "−");
    row.querySelector(".hard").textContent = i === label ? "1" : "0";
    row.querySelector(".soft").textContent = targets[i].toFixed(4);
    row.querySelector(".bar").style.width = `${100 * targets[i]}%`;
  });
}

// A picture on which a pixel can be chosen with mouse or finger.
function view(picture, caption, side, choose) {
  const marker = element("span", { className: "marker" });
  const box = element("span", { className: "view" }, picture, marker);
  const pick = (event) => {
    const place = box.getBoundingClientRect();
    const inside = (value) => Math.max(0, Math.min(side - 1, Math.floor(value * side)));
    choose(inside((event.clientY - place.top) / place.height), inside((event.clientX - place.left) / place.width));
  };
  box.addEventListener("pointerdown", pick);
  box.addEventListener("pointermove", (event) => event.buttons && pick(event));
  const move = (row, column) => {
    marker.style.top = `${(100 * (row + 0.5)) / side}%`;
    marker.style.left = `${(100 * (column + 0.5)) / side}%`;
  };
  return { figure: element("figure", {}, box, element("figcaption", {}, ...caption)), move };
}

function build(data, live) {
  const patch = unpack(data);
  const state = { row: data.start[0], column: data.start[1], temperature: 1 };
  const canvas = element("canvas", { width: data.side, height: data.side });
  canvas.setAttribute("role", "img");
  const photograph = element("img", { src: data.photograph, alt: data.alt, draggable: false });
  const numbers = table(data);
  const rows = [...numbers.querySelectorAll("tbody tr")];
  const said = element("p", { className: "said", role: "status" });
  const most = Math.log2(data.classes.length).toFixed(2);
  let mean = 0;

  const drawPixel = () => {
    const place = state.row * data.side + state.column;
    const targets = softmax(patch.logits(place), state.temperature);
    fill(rows, patch.logits(place), patch.labels[place], targets);
    views.forEach((each) => each.move(state.row, state.column));
    said.textContent = `At T = ${state.temperature} the teacher leaves ${entropy(targets).toFixed(3)} of ${most} ` +
      `bits open at this pixel, and ${mean.toFixed(3)} on average over the patch. The hard label leaves none.`;
  };
  const draw = () => {
    mean = drawEntropy(canvas, data, patch, state.temperature);
    canvas.setAttribute("aria-label", `Bits left open at each pixel, ${mean.toFixed(2)} on average.`);
    drawPixel();
  };
  const lines = Array.from({ length: data.side }, (_, i) => i);
  const knob = (name) => slider(name, lines, state[name], String, (value) => { state[name] = value; drawPixel(); });
  const [row, column] = [knob("row"), knob("column")];
  const choose = (...place) => {
    [row, column].forEach((each, i) => {
      each.querySelector("input").value = place[i];
      each.querySelector("input").dispatchEvent(new Event("input"));
    });
  };
  const scale = element("span", { className: "scale" });
  const views = [
    view(photograph, ["the photograph: choose a pixel"], data.side, choose),
    view(canvas, ["left open: 0", scale, `${most} bits`], data.side, choose),
  ];
  const setTemperature = (value) => { state.temperature = value; draw(); };
  live.append(
    slider("T", TEMPERATURES, TEMPERATURES.indexOf(1), String, setTemperature),
    element("div", { className: "views" }, ...views.map((each) => each.figure)),
    row, column, numbers, said,
  );
  draw();
}

bringToLife("temperature", build);
