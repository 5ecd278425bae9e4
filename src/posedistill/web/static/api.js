// Talks to the server: requests with the token, two at a time, and errors in words.

import { askToken, forgetToken, token } from "./token.js";

const AT_ONCE = 2;
const TRIES = 6; // while the server is busy

/** An error that says in one sentence what went wrong. */
export class Trouble extends Error {
  constructor(message, code = "", status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }

  /** Whether the same again may well succeed. */
  get isPassing() {
    return this.code === "unreachable" || this.status === 429 || this.status >= 500;
  }
}

export const isAborted = (error) => error?.name === "AbortError";

/** Runs jobs, at most AT_ONCE together; those with `first` before the others. */
class Lane {
  #waiting = [];
  #running = 0;

  run(job, { signal, first = false } = {}) {
    return new Promise((resolve, reject) => {
      const entry = { job, signal, resolve, reject };
      if (first) this.#waiting.unshift(entry);
      else this.#waiting.push(entry);
      this.#next();
    });
  }

  async #next() {
    if (this.#running >= AT_ONCE || !this.#waiting.length) return;
    const { job, signal, resolve, reject } = this.#waiting.shift();
    this.#running += 1;
    try {
      signal?.throwIfAborted();
      resolve(await job());
    } catch (error) {
      reject(error);
    } finally {
      this.#running -= 1;
      this.#next();
    }
  }
}

const lane = new Lane();

function address(path, query) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function troubleOf(response) {
  try {
    const { error } = await response.json();
    return new Trouble(error.message, error.code, response.status);
  } catch {
    return new Trouble(`The server answered with an error (${response.status}).`, "", response.status);
  }
}

async function send(url, { body, signal }) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body) headers["Content-Type"] = "application/octet-stream";
  try {
    return await fetch(url, { method: body ? "POST" : "GET", headers, body, signal });
  } catch (error) {
    if (isAborted(error)) throw error;
    throw new Trouble(
      "The server does not answer. See whether it still runs, then try again.",
      "unreachable",
    );
  }
}

async function request(path, { query = {}, body, signal } = {}) {
  const url = address(path, query);
  for (let attempt = 1; ; attempt += 1) {
    const used = token();
    const response = await send(url, { body, signal });
    if (response.ok) return response;
    if (response.status === 401) {
      if (used === token()) forgetToken();
      await askToken(Boolean(used));
      continue;
    }
    const isBusy = response.status === 429 || response.status === 503;
    if (!isBusy || attempt >= TRIES) throw await troubleOf(response);
    await pause(Math.min(Number(response.headers.get("Retry-After")) || 1, 10));
    signal?.throwIfAborted();
  }
}

/** Gives the JSON at a path. */
export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/** Gives the file at a path as a blob. */
export async function getBlob(path, options) {
  return (await request(path, options)).blob();
}

/** Sends a photo in turn and gives the answer's JSON. */
export function postForJson(path, options) {
  return lane.run(() => getJson(path, options), options);
}

/** Sends a photo in turn and gives the answer's file. */
export function postForBlob(path, options) {
  return lane.run(() => getBlob(path, options), options);
}

/** Gives the address of the live frames. */
export function streamAddress(query) {
  const url = address("/v1/stream", query);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  if (token()) url.searchParams.set("token", token());
  return url;
}
