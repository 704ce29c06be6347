// One color per object: the same that the overlays of the command line use (rendering of overlays).

const GOLDEN = 0.618033988749895; // successive hues lie as far apart as they can
const LIGHTNESS = [0.56, 0.44, 0.64];

/** [red, green, blue] 0..255 of object number `key`, from 0. */
export function objectColor(key) {
  const hue = (0.58 + key * GOLDEN) % 1;
  return fromHls(hue, LIGHTNESS[Math.floor(key / 8) % 3], 0.85).map((part) => Math.round(part * 255));
}

/** The color as CSS, with `alpha` from 0 to 1. */
export function css([red, green, blue], alpha = 1) {
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}

function fromHls(hue, lightness, saturation) {
  const high = lightness <= 0.5 ? lightness * (1 + saturation) : lightness + saturation - lightness * saturation;
  const low = 2 * lightness - high;
  return [hue + 1 / 3, hue, hue - 1 / 3].map((part) => channel(low, high, ((part % 1) + 1) % 1));
}

function channel(low, high, hue) {
  if (hue < 1 / 6) return low + (high - low) * hue * 6;
  if (hue < 1 / 2) return high;
  if (hue < 2 / 3) return low + (high - low) * (2 / 3 - hue) * 6;
  return low;
}
