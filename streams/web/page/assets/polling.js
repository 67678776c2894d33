// Repeated requests of a view: they end with it, and rest while the tab is hidden.

import { ApiError, follow } from "./api.js";

const MAX_WAIT_MS = 15_000;

/** After so long, or when there is a network again, or when `signal` aborts. */
function wait(ms, signal) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = () => (clearTimeout(timer), over.abort(), resolve());
    const timer = setTimeout(end, ms);
    addEventListener("online", end, { signal: over.signal });
    signal.addEventListener("abort", end, { signal: over.signal });
  });
}

/** Once the tab is visible, or when `signal` aborts. */
function visible(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = () => (over.abort(), resolve());
    document.addEventListener("visibilitychange", () => document.hidden || end(), { signal: over.signal });
    signal.addEventListener("abort", end, { signal: over.signal });
  });
}

/** Run `task` now and again and again, an interval after its end; longer and longer after failures. */
export async function poll(task, intervalMs, signal) {
  let waitMs = intervalMs;
  while (!signal.aborted) {
    await visible(signal);
    if (signal.aborted) return;
    try {
      await task();
      waitMs = intervalMs;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) return; // the view begins anew once a token is entered
      waitMs = Math.min(MAX_WAIT_MS, Math.max(waitMs, 1_000) * 1.5);
    }
    await wait(waitMs, signal);
  }
}

/**
 * Follow a stream of events until `signal` aborts, connecting again after an end. Not while the tab is hidden: a browser
 * has six connections to a server over HTTP/1.1, for all tabs together.
 */
export async function stay(path, query, signal, receive) {
  let lastId = null;
  const connect = async () => {
    const shown = new AbortController();
    const end = () => shown.abort();
    document.addEventListener("visibilitychange", () => document.hidden && end(), { signal: shown.signal });
    signal.addEventListener("abort", end, { signal: shown.signal });
    try {
      lastId = await follow(path, query, shown.signal, lastId, receive);
    } catch (error) {
      if (!shown.signal.aborted) throw error;
    } finally {
      end();
    }
  };
  await poll(connect, 1_000, signal);
}

/** A function that runs `task` soon after it is called, at most once per interval, never twice at a time. */
export function atMostEvery(intervalMs, signal, task) {
  let [pending, running] = [false, false];
  return async () => {
    pending = true;
    if (running) return;
    running = true;
    try {
      while (pending && !signal.aborted) {
        pending = false;
        await visible(signal);
        if (signal.aborted) return;
        await task();
        await wait(intervalMs, signal);
      }
    } catch (error) {
      if (!signal.aborted && !(error instanceof ApiError)) throw error;
    } finally {
      running = false;
    }
  };
}
