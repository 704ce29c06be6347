// Talking to the server: uploads with progress, errors as the server words them, the token.

const KEY = "maskweave.token";

let askForToken = null; // (wasRefused) => Promise<string|null>
let asking = null; // the question that is open now, so that many answers of 401 make one

/** What the server, or the way to it, answered instead of a result. `status` 0: it was not reached; `kind`: in a word. */
export class Problem extends Error {
  constructor(status, detail, { retryAfter = null, kind = "" } = {}) {
    super(detail);
    this.status = status;
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

/** `ask(wasRefused)` is called when the server wants a token, and returns a promise of it, or of null. */
export function askTokenWith(ask) {
  askForToken = ask;
}

/** The headers that prove who asks. */
export function credentials() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * Send a request and return {blob, header(name)}. `onUpload(share)` is called with 0..1 while the body goes out and
 * `signal` ends the request. Throws `Problem`, or an AbortError when `signal` ended it.
 */
export async function request(method, path, options = {}) {
  const used = sessionStorage.getItem(KEY);
  const answer = await once(method, path, options);
  if (answer.status === 401 && askForToken) {
    await renewToken(used);
    return request(method, path, options);
  }
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw await problemOf(answer);
}

/** Like `request`, for an answer in JSON. */
export async function requestJson(method, path, options = {}) {
  const answer = await request(method, path, { accept: "application/json", ...options });
  return JSON.parse(await answer.blob.text());
}

/** Let the browser itself fetch results, as its player and its downloads do, which send no header. */
export async function openSession() {
  if (sessionStorage.getItem(KEY)) await request("POST", "v1/session");
}

/** `path` with a query; arrays repeat their name, null and "" are left out. */
export function withQuery(path, values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const each of [value].flat()) {
      if (each !== null && each !== undefined && each !== "") query.append(name, each);
    }
  }
  return query.size ? `${path}?${query}` : path;
}

function once(method, path, { body = null, accept = "*/*", onUpload = null, signal = null }) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest(); // fetch cannot tell how much of an upload is done
    const ended = () => new DOMException("The request was cancelled.", "AbortError");
    if (signal?.aborted) return reject(ended());
    call.open(method, path);
    call.responseType = "blob";
    call.setRequestHeader("Accept", accept);
    for (const [name, value] of Object.entries(credentials())) call.setRequestHeader(name, value);
    if (onUpload) call.upload.onprogress = (event) => onUpload(event.total ? event.loaded / event.total : 0);
    call.onload = () =>
      resolve({ status: call.status, blob: call.response, header: (name) => call.getResponseHeader(name) });
    call.onerror = () => reject(new Problem(0, "The server cannot be reached. Is it still running?"));
    call.onabort = () => reject(ended());
    signal?.addEventListener("abort", () => call.abort(), { once: true });
    return call.send(body);
  });
}

async function problemOf(answer) {
  let detail = `The server answered ${answer.status}.`;
  let kind = "";
  try {
    const problem = JSON.parse(await answer.blob.text());
    kind = String(problem.type ?? "").split(":").at(-1);
    if (typeof problem.detail === "string") detail = problem.detail;
    else if (problem.title) detail = problem.title;
  } catch {
    // not JSON: a proxy on the way spoke
  }
  const wait = Number(answer.header("Retry-After"));
  return new Problem(answer.status, detail, { retryAfter: wait > 0 ? wait : null, kind });
}

async function renewToken(used) {
  if (sessionStorage.getItem(KEY) !== used) return; // somebody has given another one meanwhile
  asking ??= askForToken(used !== null).finally(() => {
    asking = null;
  });
  const token = await asking;
  if (!token) throw new Problem(401, "This server wants a token, and none was given.");
  sessionStorage.setItem(KEY, token);
}
