// The photos of this page and the server's answers to them.

import { Trouble, getJson, isAborted, postForJson } from "./api.js";

const THUMB = 96; // CSS pixels, at two screen pixels each
const keyOf = ({ model, detector }) => `${model}\n${detector}`;

async function thumbnail(blob) {
  const bitmap = await createImageBitmap(blob);
  const scale = (2 * THUMB) / Math.min(bitmap.width, bitmap.height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 2 * THUMB;
  canvas.setAttribute("aria-hidden", "true"); // its button has the name
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, THUMB - w / 2, THUMB - h / 2, w, h);
  bitmap.close();
  return canvas;
}

/** One photo: its file and, for each model and detector asked, {state, value or error}. */
export class Photo {
  thumb = null;
  #answers = new Map();

  constructor(blob, name) {
    this.blob = blob;
    this.name = name;
  }

  answer(choice) {
    return this.#answers.get(keyOf(choice)) ?? { state: "waiting" };
  }

  keep(choice, answer) {
    this.#answers.set(keyOf(choice), answer);
  }

  forget(choice) {
    this.#answers.delete(keyOf(choice));
  }
}

export class Batch {
  photos = [];
  current = null;
  choice = { model: "", detector: "" };
  limits = {};
  #round = new AbortController();

  /** on: {changed(photo or null), failed(photo, error)} */
  constructor(on) {
    this.on = on;
  }

  add(files) {
    const added = [...files].map((file, index) => new Photo(file, file.name || `pasted-${this.photos.length + index + 1}.png`));
    this.photos.push(...added);
    if (added.length) this.select(added[0]);
    for (const photo of added) {
      this.#ask(photo);
      this.#picture(photo);
    }
    return added;
  }

  async #picture(photo) {
    try {
      photo.thumb = await thumbnail(photo.blob);
      this.on.changed(photo);
    } catch {
      // No picture to this browser; whether it is one to the server, the answer will tell.
    }
  }

  select(photo) {
    this.current = photo;
    if (photo) this.#ask(photo, { first: true });
    this.on.changed(null);
  }

  remove(photo) {
    const index = this.photos.indexOf(photo);
    this.photos.splice(index, 1);
    if (photo === this.current) this.select(this.photos[Math.min(index, this.photos.length - 1)] ?? null);
    else this.on.changed(null);
  }

  clear() {
    this.#restart();
    this.photos = [];
    this.select(null);
  }

  /** Asks for all photos with another model or detector, the current one first. */
  choose(choice) {
    this.#restart();
    this.choice = choice;
    if (this.current) this.#ask(this.current, { first: true });
    for (const photo of this.photos) this.#ask(photo);
    this.on.changed(null);
  }

  /** Asks again for the photos that failed. */
  retry() {
    const failed = this.photos.filter((photo) => photo.answer(this.choice).state === "failed");
    for (const photo of failed) photo.forget(this.choice);
    for (const photo of failed) this.#ask(photo);
    this.on.changed(null);
  }

  #restart() {
    this.#round.abort();
    this.#round = new AbortController();
  }

  #ask(photo, { first = false } = {}) {
    if (!this.choice.model) return; // the server has not said yet what it has; choose() asks then
    this.answer(photo, this.choice, { first }).catch((error) => {
      if (!isAborted(error) && this.photos.includes(photo)) this.on.failed(photo, error);
    });
  }

  /** Gives the server's answer for a photo, from here where it is known already. */
  async answer(photo, choice, { first = false } = {}) {
    const known = photo.answer(choice);
    if (known.state === "done") return known.value;
    if (known.state === "failed") return Promise.reject(new DOMException("told already", "AbortError"));
    if (known.promise) return known.promise;
    const promise = this.#fetch(photo, choice, first);
    photo.keep(choice, { state: "waiting", promise });
    return promise;
  }

  async #fetch(photo, choice, first) {
    try {
      this.#checkSize(photo);
      const value = await postForJson("/v1/pose", {
        query: choice, body: photo.blob, signal: this.#round.signal, first,
      });
      photo.keep(choice, { state: "done", value });
      return value;
    } catch (error) {
      if (isAborted(error)) photo.forget(choice);
      else photo.keep(choice, { state: "failed", error: error.message });
      throw error;
    } finally {
      this.on.changed(photo);
    }
  }

  #checkSize({ blob }) {
    if (!blob.size) throw new Trouble("The file is empty.");
    if (blob.size > this.limits.bytes) {
      const size = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
      throw new Trouble(`The file has ${size(blob.size)}; this server takes at most ${size(this.limits.bytes)}. Send a smaller copy.`, "too_large");
    }
  }
}

/** Gives what the server offers: {models, detectors, presets, limits}. */
export const getOffer = () => getJson("/v1/models");
