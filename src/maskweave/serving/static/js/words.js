// Numbers and counts as people read them.

const WHOLE = new Intl.NumberFormat("en");

/** 1234 as "1,234". */
export function whole(number) {
  return WHOLE.format(number);
}

/** "1 object", "5 objects". */
export function counted(number, noun) {
  return `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** 0.934 as "93 %"; an object without a score was made by hand. */
export function percent(share) {
  return share === null || share === undefined ? "" : `${Math.round(share * 100)} %`;
}

/** A share of the image: "12 %", "0.4 %", "< 0.1 %". */
export function share(part, total) {
  const hundredths = (100 * part) / total;
  if (hundredths >= 10) return `${Math.round(hundredths)} %`;
  return hundredths >= 0.1 ? `${hundredths.toFixed(1)} %` : "< 0.1 %";
}

/** Seconds as "0:07", "12:34" or "1:02:03". */
export function clock(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

/** A moment of a video: "0.6 s", or the clock beyond a minute. */
export function moment(seconds) {
  return seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds);
}

/** Bytes as "812 kB" or "3.4 MB". */
export function bytes(number) {
  if (number < 1e6) return `${Math.max(1, Math.round(number / 1e3))} kB`;
  return number < 1e9 ? `${(number / 1e6).toFixed(1)} MB` : `${(number / 1e9).toFixed(1)} GB`;
}

/** "2 cats, 1 dog" of class names; the most frequent first. */
export function tally(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .sort((one, other) => other[1] - one[1])
    .map(([name, count]) => `${count} × ${name}`)
    .join(", ");
}
