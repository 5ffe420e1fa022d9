// The collapse: what two networks say while they train, epoch by epoch.

import { bringToLife, classes, element, legend, menu, paint, percent, slider } from "./common.js";

function picture(side, caption, alt) {
  const canvas = element("canvas", { width: side, height: side, attributes: { role: "img", "aria-label": alt } });
  return { canvas, figure: element("figure", {}, canvas, element("figcaption", { textContent: caption })) };
}

function table(runs) {
  const cell = (tag, textContent) => element(tag, { textContent, scope: "col" });
  const row = (tag, texts) => element("tr", {}, ...texts.map((text) => cell(tag, text)));
  const body = element("tbody", {}, ...runs.map((name) => element("tr", { className: name },
    element("th", { scope: "row", textContent: name }),
    ...["accuracy", "mean_iou", "largest"].map((part) => element("td", { className: `${part} number` })))));
  const head = row("th", ["training", "accuracy", "mean IoU", "largest class"]);
  return element("table", {}, element("thead", {}, head), body);
}

function build(data, live) {
  const runs = Object.keys(data.runs);
  const state = { patch: 0, look: 0 };
  const photograph = element("img");
  const people = picture(data.side, "labelled by people", "The labels");
  const views = runs.map((name) => picture(data.side, `${name}: rate ${data.runs[name].rate}`, name));
  const numbers = table(runs);
  const said = element("p", { className: "said", role: "status" });
  const draw = () => {
    const patch = data.patches[state.patch];
    Object.assign(photograph, { src: patch.photograph, alt: patch.alt });
    const labels = classes(patch.labels);
    paint(people.canvas, data.colors, (place) => labels[place]);
    runs.forEach((name, i) => {
      const run = data.runs[name];
      const answers = classes(run.maps[state.patch][state.look]);
      paint(views[i].canvas, data.colors, (place) => answers[place]);
      views[i].canvas.setAttribute("aria-label", `What the ${name} network says at step ${data.step[state.look]}.`);
      const row = numbers.querySelector(`.${name}`);
      row.querySelector(".accuracy").textContent = run.accuracy[state.look].toFixed(3);
      row.querySelector(".mean_iou").textContent = run.mean_iou[state.look].toFixed(3);
      const answer = data.classes[run.answer[state.look]];
      row.querySelector(".largest").textContent = `${answer} ${percent(run.largest[state.look])}`;
    });
    said.textContent = `After ${data.step[state.look]} steps. ` +
      "A predictor that always says the most frequent class has " +
      `accuracy ${data.constant.accuracy.toFixed(3)} and mean IoU ${data.constant.mean_iou.toFixed(3)}.`;
  };
  const set = (name) => (value) => { state[name] = value; draw(); };
  live.append(
    slider("epoch", data.step.map((_, i) => i), 0, (i) => `${i + 1} of ${data.step.length}`, set("look")),
    menu("patch", data.patches.map((_, i) => `${i + 1} of ${data.patches.length}`), 0, set("patch")),
    element("div", { className: "views" },
      element("figure", {}, photograph, element("figcaption", { textContent: "the photograph" })),
      people.figure, ...views.map((each) => each.figure)),
    legend(data.classes, data.colors), numbers, said,
  );
  draw();
}

bringToLife("the-collapse", build);
