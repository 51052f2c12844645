// What the tabs of a browser tell each other, so that all show the same chat.

const channel = new BroadcastChannel("kb");

export function tell(news) {
  channel.postMessage(news);
}

/** @param {(news: { session?: string, jobs?: boolean }) => void} hear */
export function listen(hear) {
  channel.addEventListener("message", ({ data }) => hear(data));
}
