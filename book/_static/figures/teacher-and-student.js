// Teacher and student: a swipe between two pictures of one patch, and who is right.

import { bringToLife, classes, element, legend, menu, paint, percent, slider } from "./common.js";

const CASES = ["both are right", "only the teacher", "only the student", "both are wrong"];
const [BOTH_RIGHT, BOTH_WRONG, NOT_COUNTED] = ["#FFFFFF", "#222222", "#DDDDDD"];

// Which of the CASES each pixel is; 4 where the label is void.
export function cases(labels, teacher, student, empty) {
  return labels.map((label, i) => (label === empty ? 4 :
    (teacher[i] === label ? 0 : 2) + (student[i] === label ? 0 : 1)));
}

export function count(found) {
  return CASES.map((_, kind) => found.reduce((sum, each) => sum + (each === kind), 0));
}

function table() {
  const head = element("tr", {}, ...["pixels", "this patch", "all patches"].map((textContent) =>
    element("th", { textContent, scope: "col" })));
  const body = element("tbody", {}, ...CASES.map(() => element("tr", {},
    element("th", { scope: "row" }),
    ...["here", "all"].map((className) => element("td", { className: `${className} number` })))));
  return element("table", {}, element("thead", {}, head), body);
}

function layer(side) {
  const canvas = element("canvas", { width: side, height: side, hidden: true });
  const image = element("img", { alt: "", draggable: false });
  return { canvas, image, box: element("span", { className: "layer" }, image, canvas) };
}

function build(data, live) {
  const patches = data.patches.map((patch) => ({ ...patch, layers: Object.fromEntries(
    Object.entries(patch.layers).map(([name, text]) => [name, classes(text)])) }));
  const networks = Object.keys(data.networks);
  const students = networks.slice(1);
  const names = ["photograph", "labels", ...networks, "who is right"];
  const state = { patch: 0, student: students.length - 1, left: 0, right: names.length - 2, place: 50 };
  const [left, right] = [layer(data.side), layer(data.side)];
  right.box.classList.add("above");
  const line = element("span", { className: "line" });
  const view = element("span", { className: "view swipe", role: "img" }, left.box, right.box, line);
  const numbers = table();
  const said = element("p", { className: "said", role: "status" });
  const key = element("div");
  const chosen = () => students[state.student];
  const found = ({ layers }) => cases(layers.labels, layers.teacher, layers[chosen()], data.void);
  const shades = () =>
    [BOTH_RIGHT, data.networks.teacher, data.networks[chosen()], BOTH_WRONG, NOT_COUNTED];

  const show = (target, name, patch) => {
    target.canvas.hidden = name === "photograph";
    target.image.hidden = !target.canvas.hidden;
    target.image.src = patch.photograph;
    if (name === "photograph") return;
    const picture = name === "who is right" ? found(patch) : patch.layers[name];
    paint(target.canvas, name === "who is right" ? shades() : data.colors, (place) => picture[place]);
  };
  const swipe = () => {
    right.box.style.clipPath = `inset(0 0 0 ${state.place}%)`;
    line.style.left = `${state.place}%`;
  };
  const draw = () => {
    const patch = patches[state.patch];
    const student = chosen();
    show(left, names[state.left], patch);
    show(right, names[state.right], patch);
    view.setAttribute("aria-label", `Left ${names[state.left]}, right ${names[state.right]}. ${patch.alt}`);
    const here = count(found(patch));
    const all = patches.map((each) => count(found(each))).reduce((a, b) => a.map((n, i) => n + b[i]));
    const total = (counts) => counts.reduce((a, b) => a + b, 0);
    [...numbers.querySelectorAll("tbody tr")].forEach((row, i) => {
      const swatch = element("span", { className: "swatch" });
      swatch.style.background = shades()[i];
      row.querySelector("th").replaceChildren(swatch, CASES[i]);
      [["here", here], ["all", all]].forEach(([name, counts]) => {
        const share = total(counts) ? ` (${percent(counts[i] / total(counts))})` : "";
        row.querySelector(`.${name}`).textContent = `${counts[i]}${share}`;
      });
    });
    const differ = patch.layers.teacher.reduce((sum, each, i) =>
      sum + (patch.layers.labels[i] !== data.void && each !== patch.layers[student][i]), 0);
    said.textContent = total(here) === 0 ? "Nothing in this patch is labelled." :
      `Patch ${state.patch + 1}: the teacher and the ${student} disagree on ${percent(differ / total(here))} ` +
      `of the labelled pixels. The teacher is right on ${percent((here[0] + here[1]) / total(here))}, ` +
      `the ${student} on ${percent((here[0] + here[2]) / total(here))}.`;
    const shown = [names[state.left], names[state.right]];
    const keys = [legend(data.classes, data.colors)];
    if (shown.includes("who is right")) keys.push(legend([...CASES, "not labelled"], shades()));
    key.replaceChildren(...keys);
    swipe();
  };
  const set = (name) => (value) => { state[name] = value; draw(); };
  const knob = slider("swipe", Array.from({ length: 101 }, (_, i) => i), 50, (value) => `${value} %`,
    (value) => { state.place = value; swipe(); });
  const drag = (event) => {
    const box = view.getBoundingClientRect();
    const input = knob.querySelector("input");
    input.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    input.dispatchEvent(new Event("input"));
  };
  view.addEventListener("pointerdown", (event) => { view.setPointerCapture(event.pointerId); drag(event); });
  view.addEventListener("pointermove", (event) => event.buttons && drag(event));
  live.append(
    slider("patch", patches.map((_, i) => i), 0, (i) => `${i + 1} of ${patches.length}`, set("patch")),
    menu("student", students, state.student, set("student")),
    menu("left", names, state.left, set("left")), menu("right", names, state.right, set("right")),
    knob, view, key, numbers, said,
  );
  draw();
}

bringToLife("teacher-and-student", build);
