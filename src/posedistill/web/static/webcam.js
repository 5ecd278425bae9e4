// The webcam: one frame on its way at a time, each shown with the people found in it.

import { streamAddress } from "./api.js";

const LONGEST = 640; // pixels of a frame's longer side
const QUALITY = 0.85;
const WINDOW = 2000; // milliseconds over which frames are counted

const REFUSALS = {
  NotAllowedError: "The browser was not allowed to use the webcam. Allow it beside the page's address, then try again.",
  NotFoundError: "No webcam was found. Plug one in, then try again.",
  NotReadableError: "The webcam is in use by another program. Close that, then try again.",
};

async function openCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers give the webcam only to pages from this machine (localhost) or over https.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: LONGEST }, facingMode: "user" },
    });
  } catch (error) {
    throw new Error(REFUSALS[error.name] ?? `The webcam could not be opened (${error.name}).`);
  }
}

export class Webcam {
  #stream = null;
  #video = document.createElement("video");
  #socket = null;
  #sent = null; // {bitmap, blob, time} of the frame on its way
  #trouble = ""; // what the server said last, if it was an error
  #answers = []; // {time, latency} of the last frames
  lastFrame = null; // the JPEG of the frame shown

  /** on: {frame(bitmap, answer, rates), stopped(message or "")} */
  constructor(on) {
    this.on = on;
    this.#video.muted = true;
    this.#video.playsInline = true;
  }

  get isOn() {
    return Boolean(this.#stream);
  }

  async start(choice) {
    const stream = await openCamera();
    this.#stream = stream;
    this.#video.srcObject = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => this.stop("The webcam has gone."));
    await this.#video.play();
    this.connect(choice);
  }

  /** Opens the way to the server, anew where there was one: ids start again. */
  connect(choice) {
    this.#disconnect();
    const socket = new WebSocket(streamAddress(choice));
    let wasOpen = false;
    this.#socket = socket;
    socket.onopen = () => {
      wasOpen = true;
      this.#send();
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ reason }) => {
      const words = wasOpen ? "The server has ended the live picture." : "The server does not answer. See whether it still runs, then try again.";
      this.stop(this.#trouble || reason || words);
    };
  }

  #disconnect() {
    if (this.#socket) {
      this.#socket.onclose = this.#socket.onmessage = this.#socket.onopen = null;
      this.#socket.close();
    }
    this.#socket = null;
    this.#sent?.bitmap.close();
    this.#sent = null;
    this.#trouble = "";
    this.#answers = [];
  }

  stop(message = "") {
    if (!this.#stream) return;
    for (const track of this.#stream.getTracks()) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
    this.#disconnect();
    this.on.stopped(message);
  }

  async #send() {
    const socket = this.#socket;
    const scale = Math.min(1, LONGEST / Math.max(this.#video.videoWidth, this.#video.videoHeight));
    const canvas = new OffscreenCanvas(
      Math.round(this.#video.videoWidth * scale),
      Math.round(this.#video.videoHeight * scale),
    );
    const time = performance.now();
    canvas.getContext("2d").drawImage(this.#video, 0, 0, canvas.width, canvas.height);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    if (socket !== this.#socket || socket.readyState !== WebSocket.OPEN) return;
    this.#sent = { bitmap: canvas.transferToImageBitmap(), blob, time };
    socket.send(blob);
  }

  #receive(answer) {
    if (answer.error) {
      this.#refused(answer.error);
      return;
    }
    if (!this.#sent) return;
    this.#trouble = "";
    const { bitmap, blob, time } = this.#sent;
    this.#sent = null;
    this.lastFrame = blob;
    this.on.frame(bitmap, answer, this.#rates(time));
    this.#send();
  }

  #refused({ code, message }) {
    this.#trouble = message;
    const socket = this.#socket;
    this.#sent?.bitmap.close();
    this.#sent = null;
    if (code !== "busy" && code !== "timeout") {
      this.stop(message);
      return;
    }
    setTimeout(() => socket === this.#socket && this.#send(), 500);
  }

  #rates(sentAt) {
    const now = performance.now();
    this.#answers.push({ time: now, latency: now - sentAt });
    this.#answers = this.#answers.filter(({ time }) => now - time < WINDOW);
    const times = this.#answers.map(({ time }) => time);
    const span = now - times[0];
    const latency = this.#answers.reduce((sum, one) => sum + one.latency, 0) / times.length;
    return { framesPerSecond: span ? (1000 * (times.length - 1)) / span : null, latency };
  }
}
