import { formatDuration } from '../duration.ts';
import { formatBytes } from './bytes.ts';

// What people write for durations, sizes and numbers, and what they mean by it: parts of sentences.

/** Longer is no slip. */
const LONGEST = 40;
const OFF = ['off', 'none', 'never', 'unlimited', 'infinite', 'inf', 'disabled', 'false', 'no'];

const MS_OF: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  y: 365 * 86_400_000,
};

/** Words of which the first letter is the unit. */
const LONG_UNIT = /^(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|y|yrs?|years?)$/;

export function durationAdvice(text: string): string | undefined {
  if (text.length > LONGEST) return undefined;
  if (OFF.includes(text.toLowerCase())) return 'it cannot be switched off, only left out for its default';
  if (/^\d{1,15}$/.test(text)) return `it has no unit: write ${text}s, ${text}m, ${text}h or ${text}d`;
  const meant = guessDuration(text.toLowerCase());
  if (meant === undefined) return undefined;
  const write = `write ${formatDuration(meant)}`;
  if (/\d[.,]\d/.test(text)) return `a duration has no fractions: ${write}`;
  return /\s/.test(text) ? `a duration has no spaces: ${write}` : write;
}

function guessDuration(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d{1,12}(?:[.,]\d{1,6})?)\s*([a-z]+)/g)];
  const rest = text.replaceAll(/\d{1,12}(?:[.,]\d{1,6})?\s*[a-z]+/g, '');
  if (parts.length === 0 || rest.trim() !== '') return undefined;
  let total = 0;
  for (const [, amount = '', unit = ''] of parts) {
    const unitMs = MS_OF[unit] ?? (LONG_UNIT.test(unit) ? MS_OF[unit.charAt(0)] : undefined);
    if (unitMs === undefined) return undefined;
    total += Number(amount.replace(',', '.')) * unitMs;
  }
  return Number.isSafeInteger(total) && total > 0 ? total : undefined;
}

export function bytesAdvice(text: string): string | undefined {
  if (text.length > LONGEST) return undefined;
  if (OFF.includes(text.toLowerCase())) return 'it cannot be switched off by a word, only left out';
  if (/^\d{1,15}$/.test(text)) return `it has no unit: write ${text}MB, ${text}GB or ${text}B`;
  const parts = /^(\d{1,12}(?:[.,]\d{1,6})?)\s*([kmgt]?)(i?b?|bytes?)$/i.exec(text);
  if (parts === null) return undefined;
  const exponent = ['', 'k', 'm', 'g', 't'].indexOf((parts[2] ?? '').toLowerCase());
  const meant = Math.round(Number((parts[1] ?? '').replace(',', '.')) * 1024 ** exponent);
  return Number.isSafeInteger(meant) && meant > 0
    ? `write ${formatBytes(meant)} (Prometheus' units are powers of two)`
    : undefined;
}

export function numberAdvice(text: string): string | undefined {
  if (text.length > LONGEST) return undefined;
  if (OFF.includes(text.toLowerCase())) return 'it is a number';
  const digits = text.replaceAll(/[_,.' ]/g, '');
  if (/^\d{1,3}([_,.' ]\d{3})+$/.test(text)) return `write ${digits}`;
  const parts = /^(\d{1,9})([km])$/i.exec(text);
  if (parts === null) return undefined;
  return `write ${Number(parts[1]) * (parts[2]?.toLowerCase() === 'k' ? 1_000 : 1_000_000)}`;
}
