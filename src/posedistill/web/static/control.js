// The ControlNet picture beside the photo.

import { isAborted, postForBlob } from "./api.js";

const PAUSE = 250; // milliseconds without a change before the server is asked

const element = (id) => document.getElementById(id);

/** Gives the query of a ControlNet picture. */
export const controlQuery = (choice, settings) => ({
  ...choice,
  preset: settings.preset,
  body: settings.parts.body,
  hands: settings.parts.hands,
  face: settings.parts.face,
});

export class ControlPane {
  #photo = null;
  #key = "";
  #timer = 0;
  #round = new AbortController();
  #url = "";

  hide() {
    this.#forget();
    element("control-pane").hidden = true;
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#round.abort();
    this.#key = "";
  }

  /** Shows the picture of a photo, asked for where it is not the one shown. */
  show(photo, query) {
    element("control-pane").hidden = false;
    const key = JSON.stringify(query);
    if (photo === this.#photo && key === this.#key) return;
    this.#forget();
    if (photo !== this.#photo) this.#say("Drawing…");
    this.#photo = photo;
    this.#key = key;
    this.#round = new AbortController();
    this.#timer = setTimeout(() => this.#fetch(photo, query), PAUSE);
  }

  async #fetch(photo, query) {
    const { signal } = this.#round;
    try {
      const blob = await postForBlob("/v1/controlnet", { query, body: photo.blob, signal, first: true });
      if (!signal.aborted) this.#put(photo, blob);
    } catch (error) {
      if (!isAborted(error)) this.#say(error.message);
    }
  }

  #put(photo, blob) {
    const image = element("control-image");
    URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(blob);
    image.src = this.#url;
    image.alt = `ControlNet picture of ${photo.name}`;
    image.hidden = false;
    element("control-note").textContent = "";
  }

  #say(text) {
    element("control-image").hidden = true;
    element("control-note").textContent = text;
  }
}
