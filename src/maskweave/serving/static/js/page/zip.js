// Several files as one zip, stored as they are: images and videos do not shrink further.
// Source: APPNOTE.TXT of PKWARE, 4.3.

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const VERSION = 20;
const UTF8 = 1 << 11;
const MAX_LENGTH = 0xffffffff; // bytes; what is longer needs the format's other form

/** A zip of `files` [{name, blob}]; names that come twice get a number. Throws RangeError beyond 4 GB. */
export async function zipOf(files) {
  const parts = [];
  const entries = [];
  const names = new Set();
  let offset = 0;
  for (const { name, blob } of files) {
    const entry = { name: freeName(name, names), crc: await crcOf(blob), size: blob.size, offset };
    const head = record(LOCAL, entry);
    parts.push(head, blob);
    entries.push(entry);
    offset += head.length + blob.size;
  }
  const directory = entries.map((entry) => record(CENTRAL, entry));
  const length = directory.reduce((sum, each) => sum + each.length, 0);
  if (offset + length > MAX_LENGTH) throw new RangeError("The files are more than 4 GB together; download them one by one.");
  return new Blob([...parts, ...directory, end(entries.length, length, offset)], { type: "application/zip" });
}

function freeName(name, names) {
  const [, stem, ending] = /^(.*?)((?:\.[^.]*)?)$/s.exec(name);
  let free = name;
  for (let number = 2; names.has(free); number += 1) free = `${stem} ${number}${ending}`;
  names.add(free);
  return free;
}

/** What stands before a file's content (LOCAL) or in the list at the end (CENTRAL). */
function record(signature, { name, crc, size, offset }) {
  const bytes = new TextEncoder().encode(name);
  const isCentral = signature === CENTRAL;
  const head = new DataView(new ArrayBuffer(isCentral ? 46 : 30));
  const [date, time] = dosTime(new Date());
  const put = (...fields) => {
    let at = 0;
    for (const [value, width] of fields) {
      if (width === 4) head.setUint32(at, value, true);
      else head.setUint16(at, value, true);
      at += width;
    }
  };
  const common = [[VERSION, 2], [UTF8, 2], [0, 2], [time, 2], [date, 2], [crc, 4], [size, 4], [size, 4], [bytes.length, 2], [0, 2]];
  if (isCentral) put([signature, 4], [VERSION, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]);
  else put([signature, 4], ...common);
  return joined(new Uint8Array(head.buffer), bytes);
}

function end(count, length, offset) {
  const view = new DataView(new ArrayBuffer(22));
  view.setUint32(0, END, true);
  view.setUint16(8, count, true);
  view.setUint16(10, count, true);
  view.setUint32(12, length, true);
  view.setUint32(16, offset, true);
  return new Uint8Array(view.buffer);
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

/** Date and time as MS-DOS wrote them: two seconds are the finest. */
function dosTime(now) {
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  return [date, (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1)];
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

async function crcOf(blob) {
  let crc = 0xffffffff;
  for await (const piece of piecesOf(blob)) {
    for (const byte of piece) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

async function* piecesOf(blob) {
  const reader = blob.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
