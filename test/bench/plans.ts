import { readFile } from 'node:fs/promises';
import { formatDuration } from '../../agent/shared/duration.ts';
import { formatBytes } from '../../agent/shared/settings/bytes.ts';
import { readSettings } from '../../agent/shared/settings/settings.ts';
import { capacityOfPlan } from '../../broker/plans/memory.ts';
import { readPlans } from '../../broker/plans/read.ts';
import { grouped } from './format.ts';
import { renderTable } from './table.ts';

const GIB = 2 ** 30;
const INTERVAL_MS = 15_000;

/** How many samples each of the shipped plans keeps for each GiB of its memory. */
export async function renderPlans(): Promise<string> {
  const read = readPlans(await readFile(new URL('../../broker/plans.yaml', import.meta.url), 'utf8'));
  if (!read.ok) throw new Error(read.problems.join(' '));
  const rows = read.plans.map(({ name, memoryBytes, storage, defaults, ceilings }) => {
    const usual = readSettings({}, { defaults, ceilings });
    if (!usual.ok) throw new Error(usual.problems.join(' '));
    const { retentionMs } = usual.settings;
    const { kept } = capacityOfPlan(memoryBytes, storage, usual.settings);
    const samples = (kept * retentionMs) / INTERVAL_MS;
    return [
      `${name}, ${formatBytes(memoryBytes)}`,
      grouped(kept),
      formatDuration(retentionMs),
      `${grouped(samples / (memoryBytes / GIB) / 1e6)} million`,
    ];
  });
  return renderTable(["samples kept for each GiB of a plan's memory", 'series at 15s', 'kept', 'samples'], rows);
}
