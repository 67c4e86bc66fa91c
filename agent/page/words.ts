import { html, type Content, type Html } from './html.ts';

const GROUPS = new Intl.NumberFormat('en');
const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
/** A command in a sentence of the status: in quotes, or one that sets an annotation, which ends in a flag. */
const COMMAND = /"(tsuru [^"]+)"|(tsuru metadata set .+? --no-restart)/g;
const SPANS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** `12,345`. */
export function numberText(value: number): string {
  return GROUPS.format(Math.round(value));
}

/** `1 unit`, `12,345 units`. */
export function counted(number: number, noun: string): string {
  return `${numberText(number)} ${noun}${number === 1 ? '' : 's'}`;
}

/** `1.2 GiB`. */
export function bytesText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 2 ** (10 * power);
  const digits = power === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[power] ?? ''}`;
}

/** `34 %` of a share, of which 1 is all. */
export function percentText(share: number): string {
  return share > 0 && share < 0.01 ? 'below 1 %' : `${Math.round(share * 100)} %`;
}

/** A span in its largest unit: `3 days`, `1 minute`. Below a second it is `less than a second`. */
export function spanText(spanMs: number): string {
  const [noun, unitMs] = SPANS.find(([, ms]) => spanMs >= ms) ?? [];
  return noun === undefined ? 'less than a second' : counted(Math.floor(spanMs / unitMs), noun);
}

/** A moment as the hour and minute in UTC, with the day if that is another one. The script of the page shows it in the reader's time zone. */
export function timeOf(atMs: number, nowMs: number): Html {
  const iso = new Date(atMs).toISOString();
  const isSameDay = new Date(nowMs).toISOString().slice(0, 10) === iso.slice(0, 10);
  const shown = `${isSameDay ? '' : `${iso.slice(0, 10)} `}${iso.slice(11, 16)} UTC`;
  return html`<time datetime="${iso}">${shown}</time>`;
}

/** Since when and for how long. */
export function sinceText(atMs: number, nowMs: number): Html {
  return html`since ${timeOf(atMs, nowMs)} (${spanText(Math.max(0, nowMs - atMs))})`;
}

/** A sentence, with the commands in it as such. */
export function sentence(text: string): Content {
  const parts: Content[] = [];
  let from = 0;
  for (const match of text.matchAll(COMMAND)) {
    parts.push(text.slice(from, match.index), commandOf(match[1] ?? match[2] ?? ''));
    from = match.index + match[0].length;
  }
  return [...parts, text.slice(from)];
}

export function commandOf(command: string): Html {
  return html`<code class="command">${command}</code>`;
}
