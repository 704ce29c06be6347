// The files of a zip, without unpacking it: each is read when it is asked for.
// Source: APPNOTE.TXT of PKWARE, 4.3.

const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END_LENGTH = 22;
const MAX_COMMENT = 0xffff;
const STORED = 0;
const DEFLATED = 8;

/** Whether a file is a zip, by its name. */
export function isZip(file) {
  return /\.zip$/i.test(file.name ?? "");
}

/** [{name, blob()}] of the files in a zip, in its order; `blob` is a promise. Throws RangeError for what is no zip. */
export async function filesOfZip(zip) {
  const tail = zip.slice(Math.max(0, zip.size - END_LENGTH - MAX_COMMENT));
  const view = new DataView(await tail.arrayBuffer());
  let at = view.byteLength - END_LENGTH;
  while (at >= 0 && view.getUint32(at, true) !== END) at -= 1;
  if (at < 0) throw new RangeError("It is no zip, or a damaged one.");
  const [count, size, offset] = [view.getUint16(at + 10, true), view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
  if (count === 0xffff || offset === 0xffffffff) throw new RangeError("A zip of more than 4 GB is not read here; open its folder.");
  const directory = new DataView(await zip.slice(offset, offset + size).arrayBuffer());
  return entriesOf(directory, count)
    .filter(({ name }) => !name.endsWith("/") && !/(^|\/)(__MACOSX\/|\.)/.test(name))
    .map((entry) => ({ name: entry.name, blob: () => contentOf(zip, entry) }));
}

function entriesOf(directory, count) {
  const entries = [];
  let at = 0;
  for (let number = 0; number < count; number += 1) {
    if (at + 46 > directory.byteLength || directory.getUint32(at, true) !== CENTRAL) throw new RangeError("The zip is damaged.");
    const lengths = [28, 30, 32].map((place) => directory.getUint16(at + place, true));
    const name = new TextDecoder().decode(new Uint8Array(directory.buffer, directory.byteOffset + at + 46, lengths[0]));
    entries.push({
      name: name.replaceAll("\\", "/"),
      method: directory.getUint16(at + 10, true),
      packed: directory.getUint32(at + 20, true),
      offset: directory.getUint32(at + 42, true),
    });
    at += 46 + lengths[0] + lengths[1] + lengths[2];
  }
  return entries;
}

async function contentOf(zip, { name, method, packed, offset }) {
  const head = new DataView(await zip.slice(offset, offset + 30).arrayBuffer());
  const start = offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const content = zip.slice(start, start + packed);
  if (method === STORED) return content;
  if (method !== DEFLATED) throw new RangeError(`${name} is packed in a way that browsers do not know.`);
  return new Response(content.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();
}
