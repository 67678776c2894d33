// Our own API, by paths relative to the page: behind a proxy it may lie below any path.

const TOKEN = "interest-stream.token";

/** An answer other than 2xx; `status` 0 where there was none. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Tells "unauthorized" where a token is missing or wrong, "reachable" and "unreachable" as answers come or do not. */
export const connection = new EventTarget();

/** Keep the token as long as this tab is open. */
export function setToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** Whether a token has been entered. */
export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

async function request(path, query, signal, headers = {}) {
  const url = new URL(`v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  const token = sessionStorage.getItem(TOKEN);
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(url, { signal, headers });
  } catch (error) {
    failed(error, signal);
  }
  if (response.ok) {
    connection.dispatchEvent(new Event("reachable"));
    return response;
  }
  if (response.status === 401) connection.dispatchEvent(new Event("unauthorized"));
  else connection.dispatchEvent(new Event(response.status >= 502 ? "unreachable" : "reachable"));
  throw new ApiError(response.status, await problem(response));
}

/** Throws what a request failed with. */
function failed(error, signal) {
  if (signal?.aborted) throw error;
  connection.dispatchEvent(new Event("unreachable"));
  throw new ApiError(0, String(error));
}

async function problem(response) {
  try {
    const answer = await response.json();
    return answer.detail ?? answer.title ?? response.statusText;
  } catch {
    return response.statusText;
  }
}

/** The decoded answer to a GET below /v1; `path` has its parts encoded. Raises ApiError. */
export async function get(path, query = {}, signal = undefined) {
  return (await request(path, query, signal)).json();
}

/** Saves the answer to a GET below /v1 as a file: a link could not send the token. Raises ApiError. */
export async function download(path, query, name) {
  const url = URL.createObjectURL(await (await request(path, query)).blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

let asked = null;

/** What the server lets this tab do: {roles, token_required, truth}; asked once per token. */
export async function session(signal = undefined) {
  const token = sessionStorage.getItem(TOKEN);
  if (asked?.token !== token) asked = { token, answer: await get("session", {}, signal) };
  return asked.answer;
}

/**
 * Call `receive` for every event of a Server-Sent Events answer until it ends. By fetch, since EventSource sends no
 * token; returns the id of the last event, to go on after it.
 */
export async function follow(path, query, signal, lastId, receive) {
  const headers = { Accept: "text/event-stream" };
  if (lastId !== null) headers["Last-Event-ID"] = lastId;
  const response = await request(path, query, signal, headers);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let [rest, id] = ["", lastId];
  for (;;) {
    const { done, value } = await reader.read().catch((error) => failed(error, signal));
    if (done) return id;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { type: "message", data: [] };
      for (const line of block.split("\n")) {
        const [, field, text] = /^(\w+): ?(.*)$/.exec(line) ?? [];
        if (field === "id") id = text;
        else if (field === "event") event.type = text;
        else if (field === "data") event.data.push(text);
      }
      if (event.data.length > 0) receive(event.type, event.data.join("\n"));
    }
  }
}
