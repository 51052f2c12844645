// Indexing that was asked for, followed to its end.

import { get, Problem } from "./api.js";

const BEAT = 600; // milliseconds between two looks

export async function finished({ id }, tell = () => {}) {
  for (;;) {
    const job = await get(`api/jobs/${id}`);
    if (job.status === "failed") throw new Problem({ title: job.error });
    if (job.status === "done") return;
    if (job.status === "running") tell(job);
    await new Promise((resolve) => setTimeout(resolve, BEAT));
  }
}
