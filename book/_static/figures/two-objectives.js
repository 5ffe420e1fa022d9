// Two objectives: what the label and what the teacher do to the student's logits at one pixel.

import { bringToLife, element, signed, slider, softmax } from "./common.js";

const ALPHAS = Array.from({ length: 21 }, (_, step) => step / 20);
const TEMPERATURES = [0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 20, 50];
const PARTS = ["label", "teacher", "sum"];

// The push on each logit is minus the gradient of the loss: the student moves that way.
export function pushes(pixel, alpha, temperature, squared) {
  const q = softmax(pixel.student);
  const softened = softmax(pixel.student, temperature);
  const targets = softmax(pixel.teacher, temperature);
  const factor = (1 - alpha) * (squared ? temperature : 1 / temperature);
  const label = q.map((value, i) => alpha * ((i === pixel.label ? 1 : 0) - value));
  const teacher = targets.map((value, i) => factor * (value - softened[i]));
  return { label, teacher, sum: label.map((value, i) => value + teacher[i]) };
}

export const size = (push) => Math.hypot(...push);

function table(data) {
  const head = element("tr", {}, element("th", { textContent: "class", scope: "col" }));
  for (const title of ["the label pushes", "the teacher pushes", "both together"]) {
    head.append(element("th", { textContent: title, scope: "col" }));
  }
  const body = element("tbody");
  data.classes.forEach((name, i) => {
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = data.colors[i];
    const row = element("tr", {}, element("th", { scope: "row" }, swatch, name));
    PARTS.forEach((part) => {
      const bar = element("span", { className: "bar" });
      bar.style.background = data.colors[i];
      const track = element("span", { className: "track", ariaHidden: "true" }, bar);
      row.append(element("td", { className: part }, element("span", { className: "number" }), track));
    });
    body.append(row);
  });
  return element("table", {}, element("thead", {}, head), body);
}

// Draw the bars from the middle of their track; `reach` is the value at its end.
function fill(rows, push, reach) {
  rows.forEach((row, i) => PARTS.forEach((part) => {
    const value = push[part][i];
    const cell = row.querySelector(`.${part}`);
    const length = 50 * Math.min(1, Math.abs(value) / reach);
    cell.querySelector(".number").textContent = signed(value);
    const bar = cell.querySelector(".bar");
    bar.style.width = `${length}%`;
    bar.style.left = value < 0 ? `${50 - length}%` : "50%";
  }));
}

function sentence(data, pixel, state, push) {
  const [label, teacher] = [size(push.label), size(push.teacher)];
  const whole = label + teacher;
  const winner = data.classes[push.sum.indexOf(Math.max(...push.sum))];
  const shares = whole === 0 ? "Neither pushes." :
    `The label's push has length ${label.toFixed(3)}, the teacher's ${teacher.toFixed(3)}: ` +
    `${Math.round((100 * teacher) / whole)} % comes from the teacher.`;
  const towards = size(push.sum) < 5e-4 ? "The student stays where it is." :
    `The student is pushed most towards ${winner}.`;
  return `${shares} ${towards}`;
}

function build(data, live) {
  const state = { pixel: data.pixels[0], alpha: 0.1, temperature: 4, squared: true };
  const numbers = table(data);
  const rows = [...numbers.querySelectorAll("tbody tr")];
  const said = element("p", { className: "said", role: "status" });
  const story = element("p", { className: "story" });

  const draw = () => {
    const push = pushes(state.pixel, state.alpha, state.temperature, state.squared);
    const reach = Math.max(0.05, ...PARTS.flatMap((part) => push[part].map(Math.abs)));
    fill(rows, push, reach);
    story.textContent = state.pixel.story;
    said.textContent = sentence(data, state.pixel, state, push);
  };
  const set = (name) => (value) => { state[name] = value; draw(); };

  const choose = element("select", {}, ...data.pixels.map((pixel, i) =>
    element("option", { value: i, textContent: pixel.name })));
  choose.addEventListener("change", () => set("pixel")(data.pixels[choose.value]));
  const square = element("input", { type: "checkbox", checked: true });
  square.addEventListener("change", () => set("squared")(square.checked));
  live.append(
    element("label", { className: "control" }, element("span", { textContent: "pixel" }), choose),
    slider("α", ALPHAS, 2, (value) => value.toFixed(2), set("alpha")),
    slider("T", TEMPERATURES, 6, String, set("temperature")),
    element("label", { className: "control" }, square, element("span", { textContent: "times T²" })),
    story, numbers, said,
  );
  draw();
}

bringToLife("two-objectives", build);
