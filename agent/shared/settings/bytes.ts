/** Units of a size as Prometheus takes them, smallest first: powers of two, whatever they are called elsewhere. */
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** Reads a size as Prometheus writes it (`512MB`, `2GB`): bytes, or undefined if it is invalid. */
export function parseBytes(text: string): number | undefined {
  if (text === '0') return 0;
  const parts = /^(\d{1,16})([KMGT]?B)$/.exec(text);
  const exponent = UNITS.findIndex((unit) => unit === parts?.[2]);
  const bytes = Number(parts?.[1]) * 1024 ** exponent;
  return exponent >= 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Writes bytes in the largest unit that needs no fraction. */
export function formatBytes(bytes: number): string {
  if (bytes === 0) return '0';
  let count = bytes;
  let exponent = 0;
  while (count % 1024 === 0 && exponent < UNITS.length - 1) {
    count /= 1024;
    exponent++;
  }
  return `${count}${UNITS[exponent] ?? 'B'}`;
}
