// The connected parts of a mask.

/** The spans of each part of a mask (pixels that touch by an edge), the largest first; `height` is the image's. */
export function partsOf(spans, height) {
  const runs = columnRuns(spans, height);
  const parents = runs.map((_, place) => place);
  const rootOf = (place) => {
    while (parents[place] !== place) place = parents[place] = parents[parents[place]];
    return place;
  };
  let left = 0; // the first run of the column before that may still touch
  runs.forEach(([column, top, bottom], place) => {
    while (left < place && (runs[left][0] < column - 1 || (runs[left][0] === column - 1 && runs[left][2] <= top))) left += 1;
    for (let other = left; other < place && runs[other][0] === column - 1 && runs[other][1] < bottom; other += 1) {
      parents[rootOf(other)] = rootOf(place);
    }
  });
  const parts = new Map();
  runs.forEach(([column, top, bottom], place) => {
    const root = rootOf(place);
    if (!parts.has(root)) parts.set(root, []);
    push(parts.get(root), column * height + top, column * height + bottom);
  });
  const sized = [...parts.values()].map((part) => [area(part), Uint32Array.from(part)]);
  return sized.sort((one, other) => other[0] - one[0]).map(([, part]) => part);
}

/** [column, top, bottom] of each run, none longer than its column. */
function columnRuns(spans, height) {
  const runs = [];
  for (let at = 0; at < spans.length; at += 2) {
    for (let start = spans[at]; start < spans[at + 1]; ) {
      const column = Math.floor(start / height);
      const end = Math.min(spans[at + 1], (column + 1) * height);
      runs.push([column, start - column * height, end - column * height]);
      start = end;
    }
  }
  return runs;
}

function push(part, start, end) {
  if (part.length && part[part.length - 1] === start) part[part.length - 1] = end;
  else part.push(start, end);
}

function area(part) {
  let sum = 0;
  for (let at = 0; at < part.length; at += 2) sum += part[at + 1] - part[at];
  return sum;
}
