// Wheel, drag, pinch and keys on the picture.

const STEP = 60; // CSS pixels a key moves the picture
const KEY_ZOOM = 1.25;

export class Gestures {
  #pointers = new Map();

  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.#up(event));
    }
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") view.choose(null);
    });
    canvas.addEventListener("dblclick", (event) => {
      if (view.isFit) view.zoomBy(3, this.#point(event));
      else view.fit();
    });
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #point(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  #wheel(event) {
    if (this.view.isEmpty) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const speed = event.ctrlKey ? 0.01 : 0.0016; // a pinch on a touchpad comes as ctrl and wheel
    this.view.zoomBy(Math.exp(-event.deltaY * lines * speed), this.#point(event));
  }

  #down(event) {
    this.#pointers.set(event.pointerId, this.#point(event));
    if (event.pointerType !== "mouse") this.view.chooseNear(this.#point(event));
    if (event.pointerType !== "touch" || this.#pointers.size > 1 || !this.view.isFit) {
      this.canvas.setPointerCapture(event.pointerId);
    }
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    const now = this.#point(event);
    if (!before) {
      this.view.chooseNear(now);
      return;
    }
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, now);
    if (other) this.#pinch(before, now, other);
    else this.view.panBy(now[0] - before[0], now[1] - before[1]);
  }

  #pinch(before, now, other) {
    const gap = ([x, y]) => Math.hypot(x - other[0], y - other[1]);
    const middle = ([x, y]) => [(x + other[0]) / 2, (y + other[1]) / 2];
    const [from, to] = [middle(before), middle(now)];
    this.view.panBy(to[0] - from[0], to[1] - from[1]);
    if (gap(before) > 1) this.view.zoomBy(gap(now) / gap(before), to);
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const view = this.view;
    const actions = {
      "+": () => view.zoomBy(KEY_ZOOM),
      "=": () => view.zoomBy(KEY_ZOOM),
      "-": () => view.zoomBy(1 / KEY_ZOOM),
      0: () => view.fit(),
      Escape: () => view.choose(null),
      ArrowRight: () => view.walk(1),
      ArrowLeft: () => view.walk(-1),
      ArrowDown: () => view.walk(1, { people: true }),
      ArrowUp: () => view.walk(-1, { people: true }),
    };
    const arrow = event.shiftKey && arrows[event.key];
    const action = arrow ? () => view.panBy(STEP * arrow[0], STEP * arrow[1]) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}
