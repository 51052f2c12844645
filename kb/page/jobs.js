// Indexing that was asked for, followed to its end.

import { get, Problem } from "./api.js";

const FIRST = 150; // milliseconds between two looks, which become longer
const LONGEST = 1000;

/** @param {{ id: string }} job @param {(job: object) => void} tell */
export async function finished({ id }, tell = () => {}) {
  for (let pause = FIRST; ; pause = Math.min(LONGEST, 1.5 * pause)) {
    const job = await get(`api/jobs/${id}`);
    if (job.status === "failed") throw new Problem({ title: job.error });
    if (job.status === "done") return;
    if (job.status === "running") tell(job);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
