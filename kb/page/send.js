// One file on its way to the server, with progress, however busy the server is.

import { Problem } from "./api.js";
import { askForKey } from "./key.js";
import { spoken, t } from "./words.js";

const UNAUTHORIZED = 401;
const BUSY = [429, 503];
const LONGEST_PAUSE = 60; // seconds; a server that asks for more is asked by a person
const MOST_TIMES = 40;

/** @param {{ file: File, folder: string, replace: boolean }} what
 * @param {(sent: number, total: number) => void} tell */
export async function sendFile(what, tell) {
  for (let times = 1; ; times++) {
    const { status, statusText, body, pause } = await sendOnce(what, tell);
    if (status < 400) return body;
    if (status === UNAUTHORIZED && (await askForKey())) continue;
    if (!BUSY.includes(status) || pause > LONGEST_PAUSE || times === MOST_TIMES)
      throw new Problem({ title: statusText, ...body, status });
    await new Promise((resolve) => setTimeout(resolve, 1000 * pause));
  }
}

// fetch does not tell how much of a body has been sent; the older interface does.
function sendOnce({ file, folder, replace }, tell) {
  const form = new FormData();
  form.append("files", file);
  form.append("folder", folder);
  form.append("replace", String(replace));
  const request = new XMLHttpRequest();
  request.open("POST", "api/documents");
  request.setRequestHeader("Accept-Language", spoken());
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => tell(event.loaded, event.total));
  return new Promise((resolve, reject) => {
    request.addEventListener("load", () =>
      resolve({
        status: request.status,
        statusText: request.statusText,
        body: request.response ?? {},
        pause: Number(request.getResponseHeader("Retry-After") ?? 2),
      }),
    );
    request.addEventListener("error", () => reject(new Problem({ title: t("offline") })));
    request.send(form);
  });
}
