// What an address of the page asks for: "#live" is this device's camera, "#live=0&score=0.5" the server's first source.

const NUMBERS = ["score", "every"];
const LISTS = ["line", "zone"];
const TEXTS = ["task", "classes", "tracker"];

/** {source, words} of the fragment of an address, or null where it asks for nothing live. */
export function liveOf(fragment) {
  const query = new URLSearchParams(fragment.replace(/^#/, ""));
  if (!query.has("live")) return null;
  const number = query.get("live");
  const source = /^\d+$/.test(number) ? { kind: "server", number: Number(number) } : { kind: "camera", id: "" };
  const words = {};
  for (const name of TEXTS) if (query.has(name)) words[name] = query.get(name);
  for (const name of NUMBERS) if (query.has(name)) words[name] = Number(query.get(name));
  for (const name of LISTS) if (query.has(name)) words[name] = query.getAll(name);
  if (query.get("track") === "false") words.track = false;
  return { source, words };
}
