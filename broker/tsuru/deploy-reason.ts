/** Tsuru's report of a deploy is many lines; the reason comes right after this head. */
export function deployReason(error: string): string {
  const lines = error.split('\n').map((line) => line.trim());
  const head = lines.findIndex((line) => line.includes('ERROR during deploy'));
  return lines.slice(head + 1).find((line) => line !== '' && !line.startsWith('****')) ?? 'Tsuru does not say why';
}
