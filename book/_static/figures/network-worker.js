// A worker that fetches a network when it is first asked for, and runs it beside the page.

import { network, segment } from "./unet.js";

const loaded = {};

async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address.pathname.split("/").pop()} answered ${response.status}`);
  return response;
}

// The weights, unpacked: some servers do that on the way, and then the size is right already.
async function weights(address, size) {
  const bytes = await (await fetched(address)).arrayBuffer();
  if (bytes.byteLength === size) return bytes;
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).arrayBuffer();
}

async function load(name) {
  const folder = new URL("../networks/", import.meta.url);
  const manifest = await (await fetched(new URL(`${name}.json`, folder))).json();
  const buffer = await weights(new URL(manifest.weights, folder), manifest.bytes);
  if (buffer.byteLength !== manifest.bytes) throw new Error(`${manifest.weights} is not complete`);
  return network(manifest, buffer);
}

// In comes { name, pixels, height, width }; out go shares that are done, and the classes.
self.addEventListener("message", async ({ data: { name, pixels, height, width } }) => {
  try {
    loaded[name] ??= await load(name);
    const start = performance.now();
    const report = (share) => self.postMessage({ share });
    const classes = segment(loaded[name], pixels, height, width, report);
    self.postMessage({ classes, milliseconds: performance.now() - start });
  } catch (error) {
    self.postMessage({ error: error.message });
  }
});
