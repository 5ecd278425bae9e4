// Files to keep: pictures and poses of one photo, or of all in one archive.

import { postForBlob, postForJson } from "./api.js";
import { controlQuery } from "./control.js";
import { drawPicture } from "./draw.js";
import { getSkeleton } from "./skeleton.js";
import { unlike, zip } from "./zip.js";

const stem = (name) => name.replace(/\.[^.]*$/, "") || "photo";

/** Hands a file to the browser's downloads. */
export function hand(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** Gives the photo as a bitmap, or null where the browser cannot read it. */
export const readBitmap = (blob) => createImageBitmap(blob).catch(() => null);

const jsonFile = (value) => new Blob([JSON.stringify(value)], { type: "application/json" });

/** Gives the PNG of a photo with what is drawn over it, at the photo's own size. */
export async function pictureFile(blob, layers, options) {
  const bitmap = await readBitmap(blob);
  const canvas = drawPicture(bitmap, layers, options);
  bitmap?.close();
  return canvas.convertToBlob({ type: "image/png" });
}

/** Gives the poses of a photo as a COCO annotation file with the photo's name in it. */
export async function cocoFile(photo, choice, options = {}) {
  const query = { ...choice, format: "coco" };
  const file = await postForJson("/v1/pose", { query, body: photo.blob, ...options });
  for (const image of file.images) image.file_name = photo.name;
  return jsonFile(file);
}

/** Gives the poses of a photo as OpenPose's JSON. */
export async function openposeFile(photo, choice, options = {}) {
  const query = { ...choice, format: "openpose" };
  return jsonFile(await postForJson("/v1/pose", { query, body: photo.blob, ...options }));
}

/** Gives the ControlNet picture of a photo. */
export const controlFile = (photo, choice, settings, options = {}) =>
  postForBlob("/v1/controlnet", { query: controlQuery(choice, settings), body: photo.blob, ...options });

async function filesOf(photo, name, { choice, settings }) {
  const { value } = photo.answer(choice);
  const skeleton = await getSkeleton(value.skeleton);
  const layers = [{ people: value.people, skeleton }];
  const { width, height } = value;
  const blobs = await Promise.all([
    pictureFile(photo.blob, layers, { look: settings, width, height }),
    controlFile(photo, choice, settings),
    cocoFile(photo, choice),
    openposeFile(photo, choice),
  ]);
  const ends = ["skeleton.png", "controlnet.png", "coco.json", "openpose.json"];
  return blobs.map((blob, index) => ({ name: `${name}-${ends[index]}`, blob }));
}

/** Gives an archive of all photos; told(count) hears how many are in it. */
export async function archive(photos, { choice, settings, told }) {
  const files = [];
  const lines = [];
  const names = unlike(photos.map((photo) => stem(photo.name)));
  for (const [index, photo] of photos.entries()) {
    const { state, error } = photo.answer(choice);
    if (state === "done") files.push(...(await filesOf(photo, names[index], { choice, settings })));
    else lines.push(`${photo.name}: ${error ?? "not looked at yet"}`);
    told(index + 1);
  }
  if (lines.length) files.push({ name: "left-out.txt", blob: new Blob([`${lines.join("\n")}\n`]) });
  return zip(files);
}

export { stem };
