/** Units of a Prometheus duration in milliseconds, largest first: the order in which Prometheus wants them. */
const UNITS = [
  ['y', 365 * 86_400_000],
  ['w', 7 * 86_400_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

const PATTERN = new RegExp(`^${UNITS.map(([unit]) => `(?:(\\d+)${unit})?`).join('')}$`);

/** Prometheus holds a duration in nanoseconds in 64 bits: about 292 years. */
const LONGEST_MS = 2 ** 63 / 1e6;

/** Reads a duration as Prometheus writes it (`15s`, `1m30s`, `2h`): milliseconds, or undefined if it is invalid. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const parts = PATTERN.exec(text);
  if (text === '' || parts === null) return undefined;
  const total = UNITS.reduce((sum, [, unitMs], index) => sum + Number(parts[index + 1] ?? 0) * unitMs, 0);
  return total < LONGEST_MS ? total : undefined;
}

/** Writes milliseconds as Prometheus does: `90000` becomes `1m30s`. Weeks and years stay days, which everybody reads. */
export function formatDuration(durationMs: number): string {
  let rest = Math.round(durationMs);
  let text = '';
  for (const [unit, unitMs] of UNITS) {
    if (unit === 'y' || unit === 'w') continue;
    const count = Math.floor(rest / unitMs);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * unitMs;
  }
  return text === '' ? '0s' : text;
}
