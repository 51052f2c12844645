// Requests to the server that this page came from. Paths are relative: a proxy may serve kb anywhere.

import { askForKey, ready } from "./key.js";
import { spoken, t } from "./words.js";

// What went wrong, in the words of the server, which speaks the language of the page.
export class Problem extends Error {
  constructor(document) {
    super([document.title, document.detail].filter(Boolean).join(". "));
    this.status = document.status;
    this.code = document.code;
    this.paths = document.paths;
  }
}

export async function get(path, query = {}) {
  return (await request("GET", withQuery(path, query))).json();
}

/** @param {string} path @param {unknown} body @param {{ signal?: AbortSignal }} options */
export async function post(path, body, { signal } = {}) {
  const response = await request("POST", path, body, signal);
  return response.status === 204 ? null : response.json();
}

export async function patch(path, body) {
  return (await request("PATCH", path, body)).json();
}

export async function put(path, body) {
  return (await request("PUT", path, body)).json();
}

export async function remove(path) {
  await request("DELETE", path);
}

export async function file(path) {
  return (await request("GET", path)).blob();
}

/** A file that the server makes, and what its headers tell of it. */
export async function postForFile(path, body) {
  const response = await request("POST", path, body);
  return { blob: await response.blob(), headers: response.headers };
}

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

async function request(method, path, body, signal) {
  await ready;
  const response = await reached(path, {
    method,
    signal,
    headers: {
      "Accept-Language": spoken(),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.ok) return response;
  if (response.status === 401 && (await askForKey())) return request(method, path, body, signal);
  throw await problemOf(response);
}

// What fetch says of a server that is not there differs from browser to browser.
function reached(path, options) {
  return fetch(path, options).catch((error) => {
    throw error.name === "AbortError" ? error : new Problem({ title: t("offline") });
  });
}

async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  return new Problem({ title: response.statusText || "Error", ...told, status: response.status });
}

// Events of a stream as [name, data, number], until it ends. What has a number can be gone on from.
export async function* events(method, path, body, signal) {
  const response = await request(method, path, body, signal);
  let rest = "";
  for await (const text of decoded(response.body)) {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = eventOf(block);
      if (event) yield event;
    }
  }
}

async function* decoded(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await next(reader); !part.done; part = await next(reader)) yield part.value;
}

function next(reader) {
  return reader.read().catch(() => {
    throw new Problem({ title: t("interrupted") });
  });
}

function eventOf(block) {
  const fields = Object.fromEntries(
    block
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
  );
  return fields.event ? [fields.event, JSON.parse(fields.data), Number(fields.id ?? 0)] : null;
}

export function address(...parts) {
  return parts.map((part) => part.split("/").map(encodeURIComponent).join("/")).join("/");
}
