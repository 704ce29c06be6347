// This browser's earlier results, in IndexedDB: never sent anywhere.

const NAME = "maskweave";
const MAX_RESULTS = 40; // results; the oldest make room
const MAX_FILE_SIZE = 200e6; // bytes of a file that is kept with its result

let opened = null;

/**
 * Keep a result. `entry`: {id, kind, name, when, thumbnail, result}; `file` is kept beside it when it is not too
 * large. Putting an entry of a known id replaces it; its file then may be left out.
 */
export async function keepResult(entry, file = null) {
  const base = await database();
  const stores = base.transaction(["entries", "files"], "readwrite");
  stores.objectStore("entries").put(entry);
  if (file && file.size <= MAX_FILE_SIZE) stores.objectStore("files").put(file, entry.id);
  await finished(stores);
  await forgetOldest();
}

/** All entries, the newest first. */
export async function keptResults() {
  const base = await database();
  const entries = await answer(base.transaction("entries").objectStore("entries").getAll());
  return entries.sort((one, other) => other.when - one.when);
}

/** The file of an entry, or undefined where it was too large to keep. */
export async function keptFile(id) {
  const base = await database();
  return answer(base.transaction("files").objectStore("files").get(id));
}

export async function forgetResult(id) {
  const base = await database();
  const stores = base.transaction(["entries", "files"], "readwrite");
  stores.objectStore("entries").delete(id);
  stores.objectStore("files").delete(id);
  await finished(stores);
}

export async function forgetAll() {
  const base = await database();
  const stores = base.transaction(["entries", "files"], "readwrite");
  stores.objectStore("entries").clear();
  stores.objectStore("files").clear();
  await finished(stores);
}

async function forgetOldest() {
  const entries = await keptResults();
  await Promise.all(entries.slice(MAX_RESULTS).map((entry) => forgetResult(entry.id)));
}

function database() {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("entries", { keyPath: "id" });
      asked.result.createObjectStore("files");
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  return opened;
}

function answer(asked) {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}
