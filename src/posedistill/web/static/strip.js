// The row of thumbnails: one button a photo, with its state.

const WORDS = { waiting: "waiting", done: "done", failed: "failed" };

function people(answer) {
  const count = answer.value.people.length;
  return count === 1 ? "1 person" : `${count} people`;
}

export class Strip {
  #items = new Map(); // photo -> {item, button, canvas, mark}

  constructor(batch) {
    this.batch = batch;
    this.list = document.getElementById("strip");
    this.list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Brings the row in line with the batch. */
  update() {
    const { batch } = this;
    document.getElementById("strip-box").hidden = !batch.photos.length;
    for (const [photo, { item }] of this.#items) {
      if (batch.photos.includes(photo)) continue;
      item.remove();
      this.#items.delete(photo);
    }
    for (const photo of batch.photos) this.#show(photo);
    this.#count();
  }

  #show(photo) {
    if (!this.#items.has(photo)) this.#create(photo);
    const { button, mark } = this.#items.get(photo);
    const answer = photo.answer(this.batch.choice);
    const isCurrent = photo === this.batch.current;
    const state = answer.state === "done" ? people(answer) : answer.error ?? WORDS[answer.state];
    if (photo.thumb && photo.thumb.parentNode !== button) button.prepend(photo.thumb);
    button.dataset.state = answer.state;
    button.dataset.name = photo.name;
    button.title = `${photo.name}: ${state}`;
    button.setAttribute("aria-label", `${photo.name}, ${state}`);
    button.setAttribute("aria-current", String(isCurrent));
    mark.textContent = answer.state === "done" ? answer.value.people.length : answer.state === "failed" ? "!" : "";
  }

  #create(photo) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const mark = document.createElement("span");
    const remove = document.createElement("button");
    button.type = remove.type = "button";
    button.className = "thumb";
    mark.className = "mark";
    mark.setAttribute("aria-hidden", "true");
    button.append(mark);
    button.addEventListener("click", () => this.batch.select(photo));
    remove.className = "remove";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove ${photo.name}`);
    remove.addEventListener("click", () => this.#remove(photo));
    item.append(button, remove);
    this.list.append(item);
    this.#items.set(photo, { item, button, mark });
  }

  #remove(photo) {
    this.batch.remove(photo);
    const next = this.#items.get(this.batch.current)?.button;
    (next ?? document.getElementById("choose")).focus(); // what had the focus is gone
  }

  #count() {
    const { photos, choice } = this.batch;
    const states = photos.map((photo) => photo.answer(choice).state);
    const count = (state) => states.filter((one) => one === state).length;
    const finished = count("done") + count("failed");
    const progress = document.getElementById("progress");
    progress.max = Math.max(photos.length, 1);
    progress.value = finished;
    progress.hidden = finished === photos.length;
    const failed = count("failed") ? `, ${count("failed")} failed` : "";
    const total = photos.length === 1 ? "1 photo" : `${photos.length} photos`;
    const text = finished < photos.length ? `${finished} of ${total}${failed}` : `${total}${failed}`;
    document.getElementById("counts").textContent = text;
  }

  #key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    const { photos, current } = this.batch;
    if (event.key === "Delete" && current) {
      event.preventDefault();
      this.#remove(current);
    } else if (event.key in steps && photos.length) {
      event.preventDefault();
      const index = photos.indexOf(current) + steps[event.key];
      const next = photos[Math.min(Math.max(index, 0), photos.length - 1)];
      this.batch.select(next);
      this.#items.get(next).button.focus();
    }
  }
}
