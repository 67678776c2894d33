// In a report, in place of api.js: the answers that the server gave when the report was made.

const { answers } = JSON.parse(document.getElementById("report").textContent);

/** What a report has no answer to. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** As api.js has it; nothing ever happens to it. */
export const connection = new EventTarget();

/** The answer to this path and query. Raises ApiError where the report has none. */
export async function get(path, query = {}) {
  const known = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const asked = new URLSearchParams(known.sort(([a], [b]) => (a < b ? -1 : 1))).toString();
  const key = asked === "" ? path : `${path}?${asked}`;
  if (!(key in answers)) throw new ApiError(404, `this report has no ${key}`);
  return answers[key];
}

/** Never called: what a report shows follows no stream. */
export async function follow() {
  throw new ApiError(404, "this report follows no stream");
}
