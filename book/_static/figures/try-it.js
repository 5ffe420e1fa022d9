// The student in the page: a test patch, or an image of the reader's, segmented in the browser.

import { bringToLife, bytes, classes, control, element, legend, menu, paint, percent } from "./common.js";
import { imageOf } from "./image-file.js";
import { runner, Stopped } from "./network-runner.js";

const NETWORKS = ["student", "teacher"];
const LOADS = { student: "0.2 MB", teacher: "3.6 MB" }; // tests/book compares this with the files
const OWN = "your image";
const HINT = "Or drop an image anywhere on this page. It stays in your browser.";

// The share of the pixels on which two maps agree; those with the label `left` do not count.
export function agreement(first, second, left = -1) {
  let [same, counted] = [0, 0];
  first.forEach((label, i) => {
    counted += label !== left;
    same += label !== left && label === second[i];
  });
  return counted ? same / counted : null;
}

function view(caption) {
  const canvas = element("canvas", { width: 1, height: 1, attributes: { role: "img" } });
  const figure = element("figure", {}, canvas, element("figcaption", { textContent: caption }));
  return { canvas, figure };
}

// A table of the shares of the classes, which says what the maps show.
function table(names) {
  const head = element("tr", {}, ...["class", "labels", ...NETWORKS].map((textContent) =>
    element("th", { textContent, scope: "col" })));
  const body = element("tbody", {}, ...names.map((textContent) => element("tr", {},
    element("th", { textContent, scope: "row" }),
    ...["labels", ...NETWORKS].map((className) => element("td", { className: `${className} number` })))));
  return element("table", {}, element("thead", {}, head), body);
}

function shares(answer, count) {
  const found = Array(count).fill(0);
  answer.forEach((label) => { found[label] += 1; });
  return found.map((number) => number / answer.length);
}

// A patch of the page, with what was computed beforehand; its pixels are those of its photograph.
async function shipped(patch, number) {
  const file = new Blob([bytes(patch.photograph.split(",")[1])]);
  const layers = Object.fromEntries(Object.entries(patch.layers).map(([name, text]) => [name, classes(text)]));
  const { labels, ...stored } = layers;
  const answers = { ...stored };
  return { ...await imageOf(file), name: `Patch ${number + 1}`, alt: patch.alt, labels, stored, answers, took: {} };
}

const own = async (file) => ({
  ...await imageOf(file), name: file.name, alt: "Your image.", stored: {}, answers: {}, took: {},
});

// What the figure says of a run, in sentences.
function account({ name, notes, width, height, labels, stored, answers, took }, empty) {
  const said = [`${name}, ${width} × ${height} pixels.`, ...notes];
  for (const network of NETWORKS.filter((each) => each in took)) {
    said.push(`The ${network} took ${Math.round(took[network])} ms here.`);
    if (!stored[network]) continue;
    // Rounded down: only all of them are 100 %.
    const same = Math.floor(1000 * agreement(answers[network], stored[network])) / 1000;
    said.push(`It gives ${percent(same)} of the pixels the class that they get in Keras.`);
  }
  const before = NETWORKS.filter((each) => answers[each] && !(each in took));
  if (before.length) said.push(`Computed beforehand, by Keras: ${before.join(" and ")}.`);
  const right = NETWORKS.filter((each) => labels && answers[each]).map((each) =>
    [each, agreement(labels, answers[each], empty)]).filter(([, share]) => share !== null);
  right.forEach(([network, share]) =>
    said.push(`The ${network} gives ${percent(share)} of the labelled pixels their label.`));
  if (answers.student && answers.teacher) {
    said.push(`They agree on ${percent(agreement(answers.student, answers.teacher))} of all pixels.`);
  }
  return said.join(" ");
}

// Take files that are dropped anywhere in the page: one that misses a small box would open instead.
function takeDrops(live, take) {
  const files = (event) => [...event.dataTransfer.types].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    live.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) live.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    live.classList.remove("over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    live.scrollIntoView({ block: "nearest" });
  });
}

function build(data, live) {
  const networks = runner();
  const loaded = new Set();
  const state = { image: null, own: null, turn: 0 };
  const views = Object.fromEntries(["photograph", "labels", ...NETWORKS].map((name) => [name, view(name)]));
  const numbers = table(data.classes);
  const said = element("p", { className: "said", role: "status" });
  const progress = element("progress", { max: 1, attributes: { "aria-label": "progress" } });
  const buttons = Object.fromEntries(NETWORKS.map((name) =>
    [name, element("button", { type: "button", onclick: () => run(name) })]));
  const halt = element("button", { type: "button", textContent: "Stop", onclick: () => networks.stop() });
  const busy = element("div", { className: "buttons", hidden: true }, progress, halt);

  const draw = () => {
    const { image } = state;
    for (const name of NETWORKS) {
      buttons[name].textContent = `Run the ${name} here${loaded.has(name) ? "" : ` (loads ${LOADS[name]})`}`;
    }
    if (!image) return;
    const layers = { labels: image.labels, ...image.answers };
    for (const [name, { canvas, figure }] of Object.entries(views)) {
      const layer = layers[name];
      figure.hidden = name !== "photograph" && !layer;
      Object.assign(canvas, { width: image.width, height: image.height });
      canvas.setAttribute("aria-label", name === "photograph" ? image.alt : `Classes: ${name}; the table has them.`);
      if (name === "photograph") canvas.getContext("2d").drawImage(image.canvas, 0, 0);
      else if (layer) paint(canvas, data.colors, (place) => layer[place]);
      if (name === "photograph") continue;
      const parts = layer && shares(layer, data.classes.length);
      numbers.querySelectorAll(`td.${name}`).forEach((cell, i) => {
        cell.textContent = parts ? percent(parts[i]) : "–";
      });
    }
    said.textContent = account(image, data.void);
  };

  const run = async (name) => {
    const { image } = state;
    if (!image) return;
    progress.removeAttribute("value");
    busy.hidden = false;
    said.textContent = loaded.has(name) ? `The ${name} is at work.` : `The ${name} is loaded, then run.`;
    const turn = (state.turn += 1);
    try {
      const result = await networks.run(name, image, (share) => { progress.value = share; });
      image.answers[name] = result.classes;
      image.took[name] = result.milliseconds;
      loaded.add(name);
      if (turn === state.turn) draw();
    } catch (error) {
      if (turn !== state.turn) return;
      draw();
      said.textContent = error instanceof Stopped ? `The ${name} was stopped.` :
        `The ${name} could not be run: ${error.message}. Are you online? If so, try a smaller image.`;
    } finally {
      if (turn === state.turn) {
        if (document.activeElement === halt) buttons[name].focus();
        busy.hidden = true;
      }
    }
  };

  // Show what a promise of an image brings, unless another came meanwhile.
  const show = async (promised, after) => {
    const turn = (state.turn += 1);
    networks.stop();
    busy.hidden = true;
    const image = await promised;
    if (turn !== state.turn) return;
    state.image = image;
    draw();
    after();
  };

  const pick = (number) => {
    const patch = number < data.patches.length ? shipped(data.patches[number], number) : state.own;
    return show(patch, () => { if (loaded.has("student") && !state.image.took.student) run("student"); });
  };
  const patches = menu("image", data.patches.map((_, i) => `test patch ${i + 1}`), 0, pick);
  const select = patches.querySelector("select");

  const take = async (file) => {
    said.textContent = `Reading ${file.name}.`;
    try {
      const promised = own(file);
      await show(promised, () => {
        if (!state.own) select.append(element("option", { value: data.patches.length, textContent: OWN }));
        state.own = state.image;
        select.value = data.patches.length;
        run("student");
      });
    } catch (error) {
      draw();
      said.textContent = `“${file.name}” cannot be used: ${error.message}.`;
    }
  };
  const input = element("input", { type: "file", accept: "image/*" });
  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  });
  takeDrops(live, take);
  live.append(
    patches, control("your own", input),
    element("p", { className: "hint", textContent: HINT }),
    element("div", { className: "buttons" }, ...Object.values(buttons)), busy,
    element("div", { className: "views" }, ...Object.values(views).map(({ figure }) => figure)),
    legend(data.classes, data.colors), numbers, said,
  );
  draw();
  pick(0);
}

bringToLife("try-it", build);
