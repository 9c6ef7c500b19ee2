// Speaks to the REST API: one place for errors, the CSRF token and idempotency. Knows no page.
const ROOT = "/api/v1";
const PATIENCE_MS = 20_000, UPLOAD_MS = 600_000;
const UNREACHABLE = "The service cannot be reached. It is asked again by itself.";

let csrf = null;
export const useToken = (token) => { csrf = token; };

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The service answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? "unknown";
    this.requestId = problem.request_id;
    this.places = problem.errors ?? [];
  }

  get isOutage() { return this.status === 0 || this.status >= 500; }

  // A route this installation does not have (yet), as against an id that names nothing.
  get isMissing() { return this.code === "not_available" || this.code === "not_found" || this.status === 405; }
}

// `crypto.randomUUID` is for secure pages alone; a dashboard in a private network may have none.
const hex = (byte) => byte.toString(16).padStart(2, "0");
const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), hex).join("");

export const withQuery = (path, query = {}) => {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().filter((one) => one !== undefined && one !== null && one !== "").map((one) => [name, one]));
  return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
};

async function read(answer) {
  const text = await answer.text();
  try { return text ? JSON.parse(text) : null; } catch { return null; }
}

export async function ask(method, url, { body, signal, once = false } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  if (once) headers["Idempotency-Key"] = fresh();
  const isForm = body instanceof FormData;
  if (body !== undefined && !isForm) headers["Content-Type"] = "application/json";
  const limits = [AbortSignal.timeout(isForm ? UPLOAD_MS : PATIENCE_MS), ...(signal ? [signal] : [])];
  let answer, found;
  try {
    const sent = isForm || body === undefined ? body : JSON.stringify(body);
    answer = await fetch(url, { method, headers, signal: AbortSignal.any(limits), cache: "no-store", body: sent });
    found = await read(answer);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { code: "unreachable", detail: UNREACHABLE });
  }
  if (answer.ok) return found;
  if (answer.status === 401 && url.startsWith(ROOT)) document.dispatchEvent(new CustomEvent("session:over"));
  throw new ApiError(answer.status, found ?? {});
}

export const get = (path, query, signal) => ask("GET", ROOT + withQuery(path, query), { signal });
export const post = (path, body, options = {}) => ask("POST", ROOT + path, { body, ...options });
export const patchAt = (path, body) => ask("PATCH", ROOT + path, { body });
export const remove = (path, query) => ask("DELETE", ROOT + withQuery(path, query));

// `null` where this installation has no such route; every other error stays one.
export async function optional(promise) {
  try { return await promise; } catch (error) {
    if (error instanceof ApiError && (error.isMissing || error.status === 403)) return null;
    throw error;
  }
}

export async function upload(file) {
  const form = new FormData();
  form.append("file", file);
  return ask("POST", `${ROOT}/files`, { body: form });
}
