// The jobs of the server, looked at as long as one is under way; all tabs look at once.

import { get } from "./api.js";
import { tell } from "./tabs.js";

const FIRST = 200; // milliseconds between two looks, which become longer
const LONGEST = 2000;
const listeners = new Set();
let timer = null;
let pause = FIRST;
let isLooking = false;
let isAskedMeanwhile = false;

/** @param {(jobs: Array) => void} hear */
export function followJobs(hear) {
  listeners.add(hear);
}

export function isUnderWay(job) {
  return job.status === "queued" || job.status === "running";
}

/** After something was asked for, here or in another tab. */
export function watchJobs({ telling = false } = {}) {
  if (telling) tell({ jobs: true });
  pause = FIRST;
  clearTimeout(timer);
  isAskedMeanwhile = isLooking;
  if (!isLooking) look();
}

async function look() {
  isLooking = true;
  isAskedMeanwhile = false;
  let isOver = false;
  try {
    const jobs = await get("api/jobs");
    for (const hear of listeners) hear(jobs);
    isOver = !jobs.some(isUnderWay);
  } catch {
    pause = LONGEST; // a server that is away comes back
  } finally {
    isLooking = false;
  }
  pause = Math.min(LONGEST, 1.3 * pause);
  if (!isOver || isAskedMeanwhile) timer = setTimeout(look, pause);
}
