// The page: ties the photos, the view, the webcam and the controls together.

import { getBlob, isAborted } from "./api.js";
import { Batch, getOffer } from "./batch.js";
import { showDifferences } from "./differences.js";
import { FIRST, SECOND, compare } from "./compare.js";
import { ControlPane, controlQuery } from "./control.js";
import { isShown } from "./draw.js";
import { incoming } from "./incoming.js";
import { alarm, calm, note, say, tip } from "./messages.js";
import { archive, cocoFile, controlFile, hand, openposeFile, pictureFile, readBitmap, stem } from "./save.js";
import { fillSettings, onSettings, readSettings } from "./settings.js";
import { getSkeleton, jointWords } from "./skeleton.js";
import { Strip } from "./strip.js";
import { View } from "./view.js";
import { Webcam } from "./webcam.js";

const element = (id) => document.getElementById(id);

let settings = readSettings();
let shown = null; // the photo in the view
let bitmap = null; // what the view shows
let drawn = { layers: [], pairs: [] };

const view = new View(element("view"), { zoom: showZoom, joint: showJoint });
const batch = new Batch({ changed: onPhotos, failed: onFailure });
const strip = new Strip(batch);
const pane = new ControlPane();
const webcam = new Webcam({ frame: onFrame, stopped: onWebcamStopped });

function showZoom(scale, isFit) {
  element("zoom").value = view.isEmpty ? "" : `${Math.round(100 * scale)}%`;
  element("fit").disabled = isFit;
  element("zooming").hidden = view.isEmpty;
}

function showJoint(choice, place, byKey) {
  if (!choice) {
    tip("");
    return;
  }
  const { people, skeleton, title, person, joint } = choice;
  const score = people[person].keypoints[joint][2].toFixed(2);
  const who = people.length > 1 ? `, person ${people[person].id ?? person + 1}` : "";
  const words = `${jointWords(skeleton, joint)} ${score}${who}${title ? `, ${title}` : ""}`;
  tip(words, place);
  if (byKey) element("joint").textContent = words;
}

function onPhotos(photo) {
  strip.update();
  const hasDone = batch.photos.some((one) => one.answer(batch.choice).state === "done");
  element("save-zip").disabled = !hasDone;
  if (!photo || photo === batch.current) showCurrent();
}

function onFailure(photo, { message, isPassing }) {
  const retry = { label: "Try again", run: () => batch.retry() };
  alarm(`${photo.name}: ${message}`, isPassing ? retry : null);
}

async function showCurrent() {
  if (webcam.isOn) return;
  const photo = batch.current;
  element("empty").hidden = Boolean(photo);
  if (photo !== shown) await putPhoto(photo);
  if (photo === batch.current) await refresh();
}

async function putPhoto(photo) {
  shown = photo;
  drawn = { layers: [], pairs: [] };
  view.clear();
  showZoom(1, true);
  const read = photo && (await readBitmap(photo.blob));
  if (photo !== shown) {
    read?.close();
    return;
  }
  bitmap?.close();
  bitmap = read;
  if (read) view.setPhoto(read, read.width, read.height);
}

async function refresh() {
  const photo = batch.current;
  const answer = photo?.answer(settings.choice) ?? { state: "none" };
  allowSaving(answer.state === "done");
  if (!photo) {
    note("");
    say("");
    pane.hide();
    return;
  }
  if (answer.state === "failed") {
    note(`${photo.name}: ${answer.error}`, { isTrouble: true });
    say("");
    view.setLayers([]);
  }
  if (answer.state === "waiting") note("Looking for people…");
  if (answer.state === "done") await showAnswer(photo, answer.value);
  if (settings.control && answer.state === "done") pane.show(photo, controlQuery(settings.choice, settings));
  else pane.hide();
}

function allowSaving(isAllowed) {
  for (const kind of ["png", "control", "coco", "openpose"]) element(`save-${kind}`).disabled = !isAllowed;
}

async function showAnswer(photo, value) {
  try {
    const layers = await layersOf(photo, value);
    if (photo !== batch.current || webcam.isOn) return;
    if (!bitmap) view.setPhoto(null, value.width, value.height, { keep: true });
    const [first, second] = layers;
    const differences = second && compare(first, second, isVisible);
    drawn = { layers, pairs: differences?.joints ?? [] };
    view.setLayers(layers, drawn.pairs);
    showDifferences(differences, layers, (joint) => view.choose({ layer: 0, ...joint }, { byKey: true }));
    note(nothing(value, layers[0]));
    say(summary(photo, value));
  } catch (error) {
    if (!isAborted(error)) alarm(`${photo.name}: ${error.message}`);
  }
}

const isVisible = ({ people, skeleton }, person, joint) => isShown(people[person], joint, skeleton, settings);

async function layersOf(photo, value) {
  const first = { people: value.people, skeleton: await getSkeleton(value.skeleton) };
  if (!settings.compare || settings.second === settings.choice.model) return [first];
  const choice = { ...settings.choice, model: settings.second };
  const other = await batch.answer(photo, choice, { first: true });
  const second = { people: other.people, skeleton: await getSkeleton(other.skeleton) };
  return [
    { ...first, colors: FIRST, title: value.model },
    { ...second, colors: SECOND, title: other.model },
  ];
}

/** Says why nothing is drawn; "" where something is. */
function nothing({ people }, layer) {
  const isWhole = settings.choice.detector === "none";
  if (!people.length) {
    return isWhole ? "No people found." : "No people found. To take the whole photo as one person, choose that under “People found by”.";
  }
  const isDrawn = people.some((person, index) => person.keypoints.some((_, joint) => isVisible(layer, index, joint)));
  if (isDrawn) return "";
  const isPart = Object.values(settings.parts).includes(false);
  return `No joint scores ${settings.threshold.toFixed(2)} or more${isPart ? " in the parts shown" : ""}. Move the slider to see weaker ones.`;
}

function summary(photo, value) {
  const count = value.people.length === 1 ? "1 person" : `${value.people.length} people`;
  const time = Math.round(value.timing_ms.work);
  return `${photo.name}: ${count}, ${value.width} × ${value.height} pixels, ${value.model} took ${time} ms`;
}

async function onFrame(frame, answer, { framesPerSecond, latency }) {
  const skeleton = await getSkeleton(answer.skeleton);
  if (!webcam.isOn) return;
  bitmap?.close();
  bitmap = frame;
  note("");
  drawn = { layers: [{ people: answer.people, skeleton }], pairs: [] };
  view.setPhoto(frame, frame.width, frame.height, { keep: true });
  view.setLayers(drawn.layers);
  const rate = framesPerSecond === null ? "–" : framesPerSecond.toFixed(1);
  element("live").textContent = `${rate} frames/s, ${Math.round(latency)} ms`;
}

async function startWebcam() {
  calm();
  try {
    await webcam.start(settings.choice);
  } catch (error) {
    alarm(error.message);
    return;
  }
  shown = null;
  view.clear();
  pane.hide();
  allowSaving(false);
  element("empty").hidden = true;
  note("Waiting for the first frame…");
  say("The webcam is on.");
  setWebcamControls(true);
}

function setWebcamControls(isOn) {
  element("webcam").textContent = isOn ? "Stop the webcam" : "Use the webcam";
  element("webcam").setAttribute("aria-pressed", String(isOn));
  element("keep").hidden = !isOn;
  element("live").hidden = !isOn;
  element("live").textContent = "";
}

function onWebcamStopped(message) {
  setWebcamControls(false);
  view.clear();
  showZoom(1, true);
  note("");
  say(message ? "" : "The webcam is off.");
  if (message) alarm(message);
  shown = null;
  showCurrent();
}

function keepFrame() {
  const blob = webcam.lastFrame;
  if (!blob) return;
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "");
  webcam.stop();
  batch.add([new File([blob], `webcam-${time}.jpg`, { type: blob.type })]);
}

function addPhotos(files) {
  if (!files.length) return;
  calm();
  webcam.stop();
  batch.add(files);
}

async function addDemo() {
  try {
    const blob = await getBlob("/v1/demo/0");
    addPhotos([new File([blob], "demo.jpg", { type: blob.type })]);
  } catch (error) {
    alarm(error.message);
  }
}

function onChanged(now, what) {
  settings = now;
  view.setLook(settings);
  if (what === "model" || what === "detector") {
    calm();
    batch.choose(settings.choice);
    if (webcam.isOn) webcam.connect(settings.choice);
  } else if (!webcam.isOn) refresh();
}

const savers = {
  png: async (photo, { width, height }) => [
    await pictureFile(photo.blob, drawn.layers, { look: settings, pairs: drawn.pairs, width, height }),
    "skeleton.png",
  ],
  control: async (photo) => [await controlFile(photo, settings.choice, settings, { first: true }), "controlnet.png"],
  coco: async (photo) => [await cocoFile(photo, settings.choice, { first: true }), "coco.json"],
  openpose: async (photo) => [await openposeFile(photo, settings.choice, { first: true }), "openpose.json"],
};

async function save(kind) {
  const photo = batch.current;
  try {
    const [blob, end] = await savers[kind](photo, photo.answer(settings.choice).value);
    hand(blob, `${stem(photo.name)}-${end}`);
    say(`Saved ${stem(photo.name)}-${end}.`);
  } catch (error) {
    alarm(`${photo.name}: ${error.message}`);
  }
}

async function saveAll() {
  const { photos } = batch;
  const button = element("save-zip");
  button.disabled = true;
  try {
    const told = (count) => say(`Packing ${count} of ${photos.length} photos…`);
    hand(await archive([...photos], { choice: settings.choice, settings, told }), "posedistill.zip");
    say("Saved posedistill.zip.");
  } catch (error) {
    alarm(error.message);
  }
  button.disabled = false;
}

function wire() {
  incoming(addPhotos);
  for (const id of ["choose", "choose-first"]) element(id).addEventListener("click", () => element("files").click());
  element("demo").addEventListener("click", addDemo);
  element("webcam").addEventListener("click", () => (webcam.isOn ? webcam.stop() : startWebcam()));
  element("keep").addEventListener("click", keepFrame);
  element("strip").addEventListener("click", () => webcam.stop()); // a photo is wanted instead
  element("clear").addEventListener("click", () => {
    calm();
    batch.clear();
    element("choose").focus();
  });
  element("zoom-in").addEventListener("click", () => view.zoomBy(1.5));
  element("zoom-out").addEventListener("click", () => view.zoomBy(1 / 1.5));
  element("fit").addEventListener("click", () => view.fit());
  for (const kind of Object.keys(savers)) element(`save-${kind}`).addEventListener("click", () => save(kind));
  element("save-zip").addEventListener("click", saveAll);
  addEventListener("pagehide", () => webcam.stop());
  onSettings(onChanged);
  showZoom(1, true);
}

async function start() {
  try {
    const offer = await getOffer();
    batch.limits = offer.limits;
    fillSettings(offer);
    onChanged(readSettings(), "model");
  } catch (error) {
    alarm(error.message, { label: "Try again", run: start });
  }
}

wire();
start();

// To look at from the browser's console, and from the tests.
window.posedistill = { view, batch, webcam };
