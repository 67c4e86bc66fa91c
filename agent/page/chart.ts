import type { Usage } from './facts.ts';
import { html, type Html } from './html.ts';
import { bytesText, spanText } from './words.ts';

const WIDTH = 240;
const HEIGHT = 48;
/** From this part of the limit on, the limit is drawn. */
const NEAR_LIMIT = 5;
const HEADROOM = 1.25;

/** A line of usage, below its limit where that is near. Nothing in it has a style: what it looks like is in the stylesheet. */
export function usageChart(usage: readonly Usage[], limitBytes: number): Html | undefined {
  const [first] = usage;
  const last = usage.at(-1);
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined;
  const largest = Math.max(...usage.map(({ bytes }) => bytes));
  // Far below its limit a line would lie on the ground.
  const isNearLimit = largest >= limitBytes / NEAR_LIMIT;
  const most = isNearLimit ? Math.max(limitBytes, largest) : largest * HEADROOM;
  const place = ({ atMs, bytes }: Usage): string => {
    const x = ((atMs - first.atMs) / (last.atMs - first.atMs)) * WIDTH;
    return `${x.toFixed(1)},${heightOf(bytes, most)}`;
  };
  const limitAt = heightOf(limitBytes, most);
  const line = usage.map(place).join(' ');
  const title = `Storage used in the last ${spanText(last.atMs - first.atMs)}: from ${bytesText(first.bytes)} to ${bytesText(last.bytes)} of ${bytesText(limitBytes)}`;
  return html`<svg
    class="chart"
    viewBox="0 0 ${WIDTH} ${HEIGHT}"
    preserveAspectRatio="none"
    role="img"
    aria-label="${title}"
  >
    <title>${title}</title>
    <polygon class="area" points="0,${HEIGHT} ${line} ${WIDTH},${HEIGHT}" />
    <polyline class="line" points="${line}" />
    ${isNearLimit && html`<line class="limit" x1="0" x2="${WIDTH}" y1="${limitAt}" y2="${limitAt}" />`}
  </svg>`;
}

/** A pixel from the top at most, so that a line at the limit is seen whole. */
function heightOf(bytes: number, most: number): string {
  return (HEIGHT - 1 - (bytes / Math.max(1, most)) * (HEIGHT - 2)).toFixed(1);
}
