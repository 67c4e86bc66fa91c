import type { ActiveTarget } from '../support/prometheus.ts';

/** A screen of them: what is not up comes first. */
const MOST_ROWS = 20;

/** The targets as Prometheus reports them, a unit a line. */
export function tableOf(targets: readonly ActiveTarget[]): string {
  const sorted =
    targets.length > MOST_ROWS
      ? targets.toSorted((a, b) => Number(a.health === 'up') - Number(b.health === 'up'))
      : targets;
  const rows = sorted
    .slice(0, MOST_ROWS)
    .map(({ instance, url, health, lastError, lastScrape, labels }) => [
      instance,
      new URL(url).host,
      String(labels['tsuru_version']),
      health === 'down' ? `down (${lastError})` : health,
      lastScrape.startsWith('0001') ? 'not yet' : lastScrape.slice(11, 19) || '-',
    ]);
  const head = ['unit', 'address', 'version', 'up', 'last scrape'];
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd();
  const more = targets.length - rows.length;
  return [line(head), ...rows.map(line), ...(more > 0 ? [`  and ${more} more`] : [])].join('\n');
}
