// What the page says: troubles that stay until put away, and notes over the picture.

const MOST = 4; // troubles shown at once

const element = (id) => document.getElementById(id);

/** Shows a trouble; the same one only once. act: {label, run} of a button in it. */
export function alarm(text, act = null) {
  const box = element("alerts");
  if ([...box.children].some((child) => child.dataset.text === text)) return;
  const line = document.createElement("div");
  const words = document.createElement("span");
  line.dataset.text = words.textContent = text;
  line.append(words);
  if (act) line.append(button(act.label, () => { line.remove(); act.run(); }));
  const close = button("×", () => line.remove());
  close.setAttribute("aria-label", "Put this message away");
  line.append(close);
  box.append(line);
  while (box.children.length > MOST) box.firstElementChild.remove();
}

function button(label, run) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.addEventListener("click", run);
  return made;
}

/** Takes all troubles away. */
export const calm = () => element("alerts").replaceChildren();

/** Shows a note over the picture; none for "". */
export function note(text, { isTrouble = false } = {}) {
  const box = element("busy");
  box.hidden = !text;
  box.textContent = text;
  box.classList.toggle("trouble", isTrouble);
}

/** Says something below the picture, and to screen readers. */
export function say(text) {
  const line = element("summary");
  if (line.textContent !== text) line.textContent = text;
}

/** Puts the name and score of a joint beside it. */
export function tip(words, [x, y] = [0, 0]) {
  const box = element("tip");
  box.hidden = !words;
  if (!words) return;
  box.textContent = words;
  const room = box.parentElement.clientWidth - box.offsetWidth - 8;
  box.style.left = `${Math.max(8, Math.min(x + 14, room))}px`;
  box.style.top = `${Math.max(8, y - 34)}px`;
}
