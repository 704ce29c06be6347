// What was counted at lines and in zones as a table (CSV), and as a small chart.

const SPACE = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [240, 36];

/** CSV: a row for each crossing, and for each frame in which a zone holds another number than before. */
export function countsTable(counters, tracks) {
  const rows = [["counter", "kind", "frame", "seconds", "event", "object", "class", "inside", "in all"]];
  for (const counter of counters.all) {
    const counts = counters.countOf(counter);
    if (counter.kind === "line") rows.push(...crossingRows(counter, counts, tracks));
    else rows.push(...zoneRows(counter, counts, tracks));
  }
  return `${rows.map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`;
}

/** An image of a counter's course over the video; "" has no words, since the numbers stand beside it. */
export function countsChart(counter, counts, length) {
  const values = counter.kind === "zone" ? counts.inside : cumulated(counts.crossings, length);
  const max = Math.max(1, ...values);
  const svg = document.createElementNS(SPACE, "svg");
  svg.setAttribute("class", "counter__chart");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SPACE, "path");
  const across = (frame) => ((WIDTH * frame) / Math.max(1, length)).toFixed(1);
  const steps = [];
  values.forEach((value, frame) => {
    if (value === values[frame - 1]) return;
    steps.push(`H${across(frame)}V${(HEIGHT - 1 - (value / max) * (HEIGHT - 3)).toFixed(1)}`);
  });
  path.setAttribute("d", `M0 ${HEIGHT - 1}${steps.join("")}H${WIDTH}V${HEIGHT}H0Z`);
  svg.append(path);
  return svg;
}

function crossingRows({ name, kind }, { crossings }, tracks) {
  return crossings.map(({ frame, id, side }) => {
    const direction = side > 0 ? "forward" : "back";
    return [name, kind, frame, seconds(tracks, frame), direction, id, tracks.item(id).class, "", ""];
  });
}

function zoneRows({ name, kind }, { inside, seen }, tracks) {
  const changes = inside.map((_, frame) => frame).filter((frame) => inside[frame] !== (inside[frame - 1] ?? 0));
  return changes.map((frame) => [name, kind, frame, seconds(tracks, frame), "change", "", "", inside[frame], seen[frame]]);
}

/** How many crossings there were up to each frame. */
function cumulated(crossings, length) {
  const values = new Array(length).fill(0);
  for (const { frame } of crossings) values[frame] += 1;
  for (let frame = 1; frame < length; frame += 1) values[frame] += values[frame - 1];
  return values;
}

function seconds(tracks, frame) {
  return tracks.times[frame].toFixed(3);
}

/** A field as spreadsheets take it; one that begins like a formula is text. */
function quoted(value) {
  const text = /^[=+@-]/.test(String(value)) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
