// Questions to the JSON API.

import { kept } from "./dom.js";

// Beside the page's own files, wherever a proxy in front may have put them.
const BASE = new URL("../api/analytics/", import.meta.url);
const PATIENCE = 20_000; // milliseconds
const ANSWERS = 60;

const storage = kept("sessionStorage");
const answers = new Map();
let ahead = 0; // milliseconds by which the server's clock is ahead of the browser's

/** An answer that is none. `status` is 0 when nobody answered. */
export class Trouble extends Error {
  constructor(status, told = {}) {
    super(typeof told.error === "string" ? told.error : "");
    this.status = status;
    this.parameter = told.parameter;
    this.allowed = told.allowed;
  }
}

/** Seconds since the epoch by the server's clock: the browser's may be wrong by days. */
export const now = () => (Date.now() + ahead) / 1000;

export const token = {
  get: () => storage.get("parvis-token"),
  set: (value) => {
    answers.clear();
    storage.set("parvis-token", value);
  },
  forget: () => {
    answers.clear();
    storage.remove("parvis-token");
  },
};

/**
 * Asks for `path` ("overview/") with `parameters`. Rejects with `Trouble`, or with an AbortError
 * when `signal` says that nobody waits for the answer any more.
 */
export async function ask(path, parameters, signal) {
  const url = new URL(path, BASE);
  url.search = new URLSearchParams(parameters);
  const headers = { Accept: "application/json" };
  const secret = token.get();
  if (secret) headers.Authorization = `Bearer ${secret}`;
  const known = answers.get(url.href);
  if (known) headers["If-None-Match"] = known.etag;

  const limit = AbortSignal.timeout(PATIENCE);
  let answer, body;
  try {
    answer = await fetch(url, {
      headers,
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.any([signal, limit]),
    });
    const date = Date.parse(answer.headers.get("Date"));
    if (date) ahead = date - Date.now();
    if (answer.status === 304 && known) return known.body;
    body = await answer.json();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Trouble(answer && !answer.ok ? answer.status : 0);
  }
  if (!answer.ok) throw new Trouble(answer.status, body ?? {});

  const etag = answer.headers.get("ETag");
  // The oldest goes: the map keeps the order of its entries.
  answers.delete(url.href);
  if (etag) answers.set(url.href, { etag, body });
  if (answers.size > ANSWERS) answers.delete(answers.keys().next().value);
  return body;
}

/** All items of a list, page by page. */
export async function askAll(path, parameters, signal) {
  const limit = 100;
  let answer = await ask(path, { ...parameters, limit }, signal);
  const items = [...answer.items];
  // There are some 250 countries; a server that never comes to an end is not followed.
  for (let page = 0; answer.next && page < 5; page += 1) {
    answer = await ask(path, { ...parameters, limit, offset: answer.next }, signal);
    items.push(...answer.items);
  }
  return { ...answer, items };
}
