// A file as pixels that the networks take, or an error that says what is wrong with it.

import { element } from "./common.js";

export const LARGEST = 1024; // pixels a side: more takes long, and the memory of a telephone
const HEAVIEST = 64; // megabytes of a file
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]; // how such a file begins

const size = (width, height) => `${width} × ${height}`;

async function decoded(file) {
  if (file.size > HEAVIEST * 1e6) {
    throw new Error(`it has more than ${HEAVIEST} MB. Cut out a part, and take that`);
  }
  const start = new Uint8Array(await file.slice(0, 25).arrayBuffer());
  if (start[24] === 16 && PNG.every((byte, i) => byte === start[i])) {
    throw new Error("it has 16 bits a channel, and a browser would drop half of them. " +
      "Which value should become 0 and which 255 only you can say: save it with 8");
  }
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error("the browser finds no image in it, or too large a one. Take a JPEG, PNG or WebP file");
  }
}

// Put white behind what is transparent; return whether anything was.
function whiten(pixels) {
  let found = false;
  for (let at = 0; at < pixels.length; at += 4) {
    const alpha = pixels[at + 3];
    if (alpha === 255) continue;
    for (let c = 0; c < 3; c += 1) pixels[at + c] = (pixels[at + c] * alpha + 255 * (255 - alpha)) / 255;
    pixels[at + 3] = 255;
    found = true;
  }
  return found;
}

// What is done to the image on its way into the network, in sentences.
function notes(bitmap, width, height, transparent) {
  const found = [];
  if (bitmap.width > width || bitmap.height > height) {
    found.push(`It has ${size(bitmap.width, bitmap.height)} pixels: only the middle ${size(width, height)} are used.`);
  }
  if (transparent) found.push("It is transparent in places: white is put behind.");
  const [wide, tall] = [width, height].map((side) => 16 * Math.ceil(side / 16));
  if (wide !== width || tall !== height) {
    found.push(`The network takes multiples of 16: ${size(width, height)} pixels are padded to ` +
      `${size(wide, tall)} by repeating the last ones, and the answer is cut back.`);
  }
  return found;
}

// { canvas, pixels, width, height, notes } of a file or blob.
export async function imageOf(file) {
  const bitmap = await decoded(file);
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.min(side, LARGEST));
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d");
  const [left, top] = [(bitmap.width - width) >> 1, (bitmap.height - height) >> 1];
  context.drawImage(bitmap, left, top, width, height, 0, 0, width, height);
  const picture = context.getImageData(0, 0, width, height);
  const transparent = whiten(picture.data);
  context.putImageData(picture, 0, 0);
  const said = notes(bitmap, width, height, transparent);
  bitmap.close();
  return { canvas, pixels: picture.data, width, height, notes: said };
}
