// The picture on the page: drawn anew for every zoom and pixel ratio, so that it stays crisp.

import { drawDifferences, drawPeople, isShown } from "./draw.js";
import { Gestures } from "./gestures.js";

const LARGEST = 40; // screen pixels a photo pixel
const REACH = 14; // screen pixels around a joint that count as on it

export class View {
  #canvas;
  #context;
  #bitmap = null;
  #size = [0, 0]; // of the photo
  #layers = [];
  #pairs = [];
  #look = { threshold: 0.3, parts: {}, boxes: false, ids: true };
  #scale = 1;
  #offset = [0, 0];
  #isFit = true;
  #chosen = null; // {layer, person, joint}
  #frame = 0;

  /** on: {zoom(scale, isFit), joint(choice or null, place, byKey)} */
  constructor(canvas, on) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.on = on;
    new ResizeObserver(() => this.#resized()).observe(canvas);
    this.gestures = new Gestures(canvas, this);
    this.#watchPixelRatio();
  }

  get isFit() {
    return this.#isFit;
  }

  get isEmpty() {
    return !this.#size[0];
  }

  get chosen() {
    return this.#chosen;
  }

  /** Shows another photo; bitmap may be null where the browser cannot read it. */
  setPhoto(bitmap, width, height, { keep = false } = {}) {
    const isAlike = keep && width === this.#size[0] && height === this.#size[1];
    this.#bitmap = bitmap;
    this.#size = [width, height];
    if (!isAlike) this.fit();
    this.redraw();
  }

  clear() {
    this.setPhoto(null, 0, 0);
    this.setLayers([]);
  }

  setLayers(layers, pairs = []) {
    this.#layers = layers;
    this.#pairs = pairs;
    if (this.#chosen && !this.#isThere(this.#chosen)) this.choose(null);
    else if (this.#chosen) this.#tell(false);
    this.redraw();
  }

  setLook(look) {
    this.#look = look;
    if (this.#chosen && !this.#isThere(this.#chosen)) this.choose(null);
    this.redraw();
  }

  get layerCount() {
    return this.#layers.length;
  }

  /** Gives a person as the server has told of it. */
  person(person, layer = 0) {
    return this.#layers[layer].people[person];
  }

  /** Gives where a joint is on the canvas, in CSS pixels from its corner. */
  screenPoint(person, joint, layer = 0) {
    return this.#at(this.#layers[layer].people[person].keypoints[joint]);
  }

  /** Says whether a joint is drawn now. */
  isDrawn(person, joint, layer = 0) {
    const { people, skeleton } = this.#layers[layer];
    return isShown(people[person], joint, skeleton, this.#look);
  }

  #at([x, y]) {
    return [
      (x + 0.5) * this.#scale + this.#offset[0],
      (y + 0.5) * this.#scale + this.#offset[1],
    ];
  }

  #fitScale() {
    const { clientWidth: w, clientHeight: h } = this.#canvas;
    return Math.min(w / this.#size[0], h / this.#size[1]) || 1;
  }

  fit() {
    const { clientWidth: w, clientHeight: h } = this.#canvas;
    this.#isFit = true;
    this.#scale = this.#fitScale();
    this.#offset = [(w - this.#size[0] * this.#scale) / 2, (h - this.#size[1] * this.#scale) / 2];
    this.#moved();
  }

  /** Zooms by a factor around a point of the canvas, its middle by default. */
  zoomBy(factor, around) {
    if (this.isEmpty) return;
    const { clientWidth: w, clientHeight: h } = this.#canvas;
    const [x, y] = around ?? [w / 2, h / 2];
    const least = this.#fitScale();
    const scale = Math.min(Math.max(this.#scale * factor, least), Math.max(LARGEST, least));
    if (scale <= least * 1.001) {
      this.fit();
      return;
    }
    const ratio = scale / this.#scale;
    this.#offset = [x - (x - this.#offset[0]) * ratio, y - (y - this.#offset[1]) * ratio];
    this.#scale = scale;
    this.#isFit = false;
    this.panBy(0, 0);
  }

  panBy(dx, dy) {
    if (this.#isFit) return;
    const { clientWidth: w, clientHeight: h } = this.#canvas;
    this.#offset = [[dx, w], [dy, h]].map(([step, room], axis) => {
      const length = this.#size[axis] * this.#scale;
      const moved = this.#offset[axis] + step;
      if (length <= room) return (room - length) / 2;
      return Math.min(0, Math.max(room - length, moved));
    });
    this.#moved();
  }

  #moved() {
    this.#canvas.classList.toggle("zoomed", !this.#isFit);
    this.on.zoom(this.#scale * devicePixelRatio, this.#isFit);
    if (this.#chosen) this.#tell(false);
    this.redraw();
  }

  #resized() {
    const ratio = devicePixelRatio;
    const { clientWidth: w, clientHeight: h } = this.#canvas;
    this.#canvas.width = Math.round(w * ratio);
    this.#canvas.height = Math.round(h * ratio);
    if (this.#isFit || this.#scale < this.#fitScale()) this.fit();
    else this.panBy(0, 0);
    this.#draw(); // at once: setting the size has wiped the canvas
  }

  #watchPixelRatio() {
    const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    query.addEventListener("change", () => {
      this.#resized();
      this.#watchPixelRatio();
    }, { once: true });
  }

  redraw() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const context = this.#context;
    const ratio = devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (this.isEmpty) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const [width, height] = this.#size.map((side) => side * this.#scale);
    if (this.#bitmap) {
      context.imageSmoothingEnabled = this.#scale * ratio < 4; // then pixels are to be seen
      context.imageSmoothingQuality = "high";
      context.drawImage(this.#bitmap, ...this.#offset, width, height);
    } else {
      context.fillStyle = "#333";
      context.fillRect(...this.#offset, width, height);
    }
    const place = this.#place();
    const shortSide = Math.min(...this.#size);
    for (const layer of this.#layers) drawPeople(context, layer, place, { look: this.#look, shortSide });
    drawDifferences(context, this.#pairs, place);
    if (this.#chosen) this.#ring(context);
  }

  #place() {
    const least = this.#fitScale();
    return {
      at: (point) => this.#at(point),
      unit: Math.sqrt(least * this.#scale), // lines grow slower than the photo, to show what is below
      thinnest: 1.2,
      width: this.#canvas.clientWidth,
      height: this.#canvas.clientHeight,
    };
  }

  #ring(context) {
    const { layer, person, joint } = this.#chosen;
    const [x, y] = this.screenPoint(person, joint, layer);
    for (const [style, width] of [["#101018", 4], ["#ffffff", 2]]) {
      context.beginPath();
      context.arc(x, y, 9, 0, 2 * Math.PI);
      context.strokeStyle = style;
      context.lineWidth = width;
      context.stroke();
    }
  }

  #isThere({ layer, person, joint }) {
    const { people, skeleton } = this.#layers[layer] ?? { people: [] };
    return person < people.length && isShown(people[person], joint, skeleton, this.#look);
  }

  /** Chooses a joint {layer, person, joint}, or none by null. */
  choose(choice, { byKey = false } = {}) {
    this.#chosen = choice;
    this.#tell(byKey);
    this.redraw();
  }

  #tell(byKey) {
    const choice = this.#chosen;
    const place = choice && this.screenPoint(choice.person, choice.joint, choice.layer);
    this.on.joint(choice && { ...choice, ...this.#layers[choice.layer] }, place, byKey);
  }

  /** Chooses the joint nearest to a point of the canvas, or none. */
  chooseNear([x, y]) {
    let best = null;
    let least = REACH;
    for (const choice of this.#shown()) {
      const [px, py] = this.screenPoint(choice.person, choice.joint, choice.layer);
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) [best, least] = [choice, distance];
    }
    const isSame = JSON.stringify(best) === JSON.stringify(this.#chosen);
    if (!isSame) this.choose(best);
  }

  #shown() {
    return this.#layers.flatMap(({ people }, layer) =>
      people.flatMap((_, person) =>
        people[person].keypoints
          .map((__, joint) => ({ layer, person, joint }))
          .filter((choice) => this.#isThere(choice)),
      ),
    );
  }

  /** Goes on to the next joint (step of 1 or -1), or to the next person. */
  walk(step, { people = false } = {}) {
    const all = this.#shown();
    if (!all.length) return;
    const key = ({ layer, person }) => `${layer} ${person}`;
    const now = this.#chosen;
    const starts = people && now ? all.filter((choice, index) => !index || key(choice) !== key(all[index - 1])) : all;
    const index = starts.findIndex((choice) =>
      now && key(choice) === key(now) && (people || choice.joint === now.joint));
    const next = now ? (index + step + starts.length) % starts.length : step > 0 ? 0 : starts.length - 1;
    this.#reveal(starts[next]);
    this.choose(starts[next], { byKey: true });
  }

  #reveal({ layer, person, joint }) {
    const [x, y] = this.screenPoint(person, joint, layer);
    const { clientWidth: w, clientHeight: h } = this.#canvas;
    const isInside = x > 20 && y > 20 && x < w - 20 && y < h - 20;
    if (!isInside) this.panBy(w / 2 - x, h / 2 - y);
  }
}
