// Speaks to the REST API: one place for errors, the CSRF token and idempotency. Knows no page.
import { parse } from "./json.js";

const ROOT = "/api/v1";
const PATIENCE_MS = 20_000, UPLOAD_MS = 600_000;
const UNREACHABLE = "The service cannot be reached. It is asked again by itself.";
const SIGNED_OUT = "The session was over before this was done: do it again.";
const STRANGE = "What answered is not the service: a proxy before it, perhaps.";
const MOST_UNANSWERED = 50;

let csrf = null, renew = null;
export const useToken = (token) => { csrf = token; };
// `work` learns the token anew, and says whether it is of the same key as before.
export const renewBy = (work) => { renew = work; };

export class ApiError extends Error {
  constructor(status, problem) {
    super(status === 401 ? SIGNED_OUT : problem.detail ?? `The service answered ${status}.`);
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

// What was never answered may have been done: asked again in the same words, it goes under the same key.
const unanswered = new Map();
function keyOf(words) {
  if (unanswered.size >= MOST_UNANSWERED) unanswered.clear();
  if (!unanswered.has(words)) unanswered.set(words, fresh());
  return unanswered.get(words);
}

const isSettled = (status) => status < 500 && status !== 409;

async function read(answer) {
  const text = await answer.text();
  try { return text ? parse(text) : null; } catch { return answer.ok ? undefined : null; }
}

async function exchange(url, request, signal, patience) {
  const limits = [AbortSignal.timeout(patience), ...(signal ? [signal] : [])];
  try {
    const answer = await fetch(url, { ...request, signal: AbortSignal.any(limits), cache: "no-store" });
    return [answer, await read(answer)];
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, { code: "unreachable", detail: UNREACHABLE });
  }
}

async function askOnce(method, url, { body, signal, once = false } = {}) {
  const headers = { Accept: "application/json" }, isForm = body instanceof FormData;
  const sent = isForm || body === undefined ? body : JSON.stringify(body);
  const words = `${method} ${url} ${sent}`;
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  if (once) headers["Idempotency-Key"] = keyOf(words);
  if (sent !== undefined && !isForm) headers["Content-Type"] = "application/json";
  const patience = isForm ? UPLOAD_MS : PATIENCE_MS;
  const [answer, found] = await exchange(url, { method, headers, body: sent }, signal, patience);
  if (isSettled(answer.status)) unanswered.delete(words);
  if (answer.ok && found === undefined) throw new ApiError(0, { code: "strange", detail: STRANGE });
  if (answer.ok) return found;
  if (answer.status === 401 && url.startsWith(ROOT)) document.dispatchEvent(new CustomEvent("session:over"));
  throw new ApiError(answer.status, found ?? {});
}

export async function ask(method, url, options) {
  try { return await askOnce(method, url, options); } catch (error) {
    // Another tab has signed in since: its session, which is ours now, has another token.
    if (error.code !== "csrf_refused" || !(await renew?.())) throw error;
    return askOnce(method, url, options);
  }
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
