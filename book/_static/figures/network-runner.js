// Networks in a worker, which starts with the first run; a new run stops one that is unfinished.

export class Stopped extends Error {}

export function runner() {
  let worker = null;
  let waiting = null;

  const answer = ({ data }) => {
    if ("share" in data) {
      waiting?.progress(data.share);
      return;
    }
    const { resolve, reject } = waiting;
    waiting = null;
    if ("error" in data) reject(new Error(data.error));
    else resolve(data);
  };
  const stop = (reason = new Stopped()) => {
    if (!waiting) return;
    worker.terminate();
    worker = null;
    const { reject } = waiting;
    waiting = null;
    reject(reason);
  };
  const start = () => {
    worker = new Worker(new URL("./network-worker.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", answer);
    worker.addEventListener("error", () => stop(new Error("its script did not start")));
  };
  // A promise of { classes, milliseconds }; `progress(share)` is called meanwhile.
  const run = (name, { pixels, height, width }, progress) => {
    stop();
    return new Promise((resolve, reject) => {
      waiting = { resolve, reject, progress };
      if (!worker) start();
      worker.postMessage({ name, pixels, height, width });
    });
  };
  return { run, stop };
}
