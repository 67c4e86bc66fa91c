import { withoutMargin } from '../../agent/capacity/load.ts';
import { budgetOf, isOutgrown, seriesAt, seriesKept, type Resources } from '../../agent/shared/budget.ts';
import { grown, SAFE_RANGE_MS, type Load } from '../../agent/shared/layout.ts';
import { formatBytes } from '../../agent/shared/settings/bytes.ts';
import type { HistoryCase, Phase, Written } from './history.ts';

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const INTERVAL_MS = 15_000;
const SERIES_PER_TARGET = 1_000;
/** Prometheus' own series and the agent's, as they are stored. */
const OWN: Written = { series: 500, seriesPerTarget: 500, intervalMs: 60_000, atOnce: 8 };

function resourcesOf(volumeMib: number, days: number): Resources {
  const volume = { kind: 'tmpfs', sizeBytes: volumeMib * MIB } as const;
  return { memoryLimitBytes: undefined, volume, retentionMs: days * DAY_MS };
}

function loadOf(series: number): Load {
  return {
    series: series + OWN.series,
    samplesPerSecond: (series * 1000) / INTERVAL_MS + (OWN.series * 1000) / OWN.intervalMs,
  };
}

function flagsFor(resources: Resources, load: Load): readonly string[] {
  const { flags, retentionSizeBytes = 0 } = budgetOf({ ...resources, load });
  return [...flags, `--storage.tsdb.retention.size=${formatBytes(retentionSizeBytes)}`];
}

function scraped(series: number, atOnce = 1): Written {
  return { series, seriesPerTarget: SERIES_PER_TARGET, intervalMs: INTERVAL_MS, atOnce };
}

/** What is promised, written for longer than that: how long is it kept? */
function promise(volumeMib: number, days: number): HistoryCase {
  const resources = resourcesOf(volumeMib, days);
  const series = seriesKept(resources, INTERVAL_MS);
  const flags = flagsFor(resources, loadOf(series));
  const name = `${volumeMib} MiB, ${series} series, promised ${days} days`;
  return {
    volumeMib,
    storage: {},
    phases: [{ name, hours: days * 24 * 1.15, flags, written: [scraped(series, 8), OWN] }],
  };
}

/** Blocks for few series, then all that fit, for as long as the agent takes to notice; then blocks for those. */
function jump(volumeMib: number, days: number): HistoryCase {
  // A merge to the longest block is due when the jump comes.
  return jumpAfter(volumeMib, days, { hours: 26, noticedAfterHours: 0.05 });
}

/** The same on a full volume, right after a start, when the agent leaves the blocks as they are until the head has grown. */
function jumpAfterStart(volumeMib: number, days: number): HistoryCase {
  const resources = resourcesOf(volumeMib, days);
  const load = loadOf(seriesAt(budgetOf(resources).limits, INTERVAL_MS));
  const { layout, retentionSizeBytes = 0 } = budgetOf({
    ...resources,
    load: loadOf(seriesKept(resources, INTERVAL_MS)),
  });
  if (layout === undefined) throw new Error('a volume has a layout');
  const isNoticed = (minutes: number): boolean =>
    isOutgrown(
      { ...resources, layout },
      { layout: grown(layout, minutes * MINUTE_MS), usedBytes: retentionSizeBytes },
      withoutMargin(load),
    );
  let minutes = 0;
  while (!isNoticed(minutes)) minutes += 1;
  return jumpAfter(volumeMib, days, { hours: days * 24 * 1.15, noticedAfterHours: minutes / 60 + 0.05 });
}

function jumpAfter(
  volumeMib: number,
  days: number,
  { hours, noticedAfterHours }: { readonly hours: number; readonly noticedAfterHours: number },
): HistoryCase {
  const resources = resourcesOf(volumeMib, days);
  const few = seriesKept(resources, INTERVAL_MS);
  const most = seriesAt(budgetOf(resources).limits, INTERVAL_MS);
  const light = flagsFor(resources, loadOf(few));
  const full = flagsFor(resources, loadOf(most));
  const phases: readonly Phase[] = [
    { name: `${volumeMib} MiB, ${few} series`, hours, flags: light, written: [scraped(few, 8), OWN] },
    {
      name: `jump to ${most} series, noticed after ${Math.round(noticedAfterHours * 60)} min`,
      hours: noticedAfterHours,
      flags: light,
      written: [scraped(most)],
      goesOn: true,
      end: 'SIGKILL',
    },
    { name: 'with other blocks, after kill -9', hours: 0.4, flags: full, written: [scraped(most)] },
  ];
  return { volumeMib, storage: {}, phases };
}

/** All that fits, while one clock is ahead: every other sample is out of order where blocks are short. */
function ahead(volumeMib: number, share: number): HistoryCase {
  const resources = resourcesOf(volumeMib, 15);
  const series = Math.floor(seriesAt(budgetOf(resources).limits, INTERVAL_MS) * share);
  const flags = flagsFor(resources, loadOf(series));
  const written = [scraped(series), { ...scraped(1), aheadMs: 570_000 }];
  return {
    volumeMib,
    storage: { tsdb: { out_of_order_time_window: '70m' } },
    phases: [
      { name: `${volumeMib} MiB, ${series} series, one ahead`, hours: 1.2, flags, written, end: 'SIGKILL' },
      { name: 'after kill -9', hours: 0.1, flags, written },
    ],
  };
}

/** The most that is written in blocks of half an hour, while one clock is ahead: nothing is out of order, in any version. */
function safe(volumeMib: number): HistoryCase {
  const resources = resourcesOf(volumeMib, 15);
  let series = 100;
  while ((budgetOf({ ...resources, load: loadOf(series + 100) }).layout?.rangeMs ?? 0) >= SAFE_RANGE_MS) series += 100;
  const flags = flagsFor(resources, loadOf(series));
  const written = [scraped(series), { ...scraped(1), aheadMs: 585_000 }];
  const name = `${volumeMib} MiB, ${series} series, one 9 min 45 s ahead`;
  return { volumeMib, storage: {}, phases: [{ name, hours: 3, flags, written, end: 'SIGKILL' }] };
}

/** Few series with the shortest blocks, killed again and again: is every sample found that was taken? */
function kills(volumeMib: number, aheadMs: number): HistoryCase {
  const resources = resourcesOf(volumeMib, 15);
  const flags = flagsFor(resources, loadOf(seriesAt(budgetOf(resources).limits, INTERVAL_MS)));
  const written = [scraped(1_500), ...(aheadMs === 0 ? [] : [{ ...scraped(10), aheadMs }])];
  return {
    volumeMib,
    storage: aheadMs === 0 ? {} : { tsdb: { out_of_order_time_window: '70m' } },
    phases: [0.31, 0.17, 0.23, 0.11, 0.29].map((hours, index) => ({
      name: `${volumeMib} MiB, killed ${index} times, clocks ${aheadMs / 60_000} min apart`,
      ...{ hours, flags, written, counts: true, end: 'SIGKILL' },
    })),
  };
}

/** What is written into a real Prometheus by its own timestamps: days in minutes. */
export const HISTORIES = {
  promise: [promise(256, 7)],
  'promise-medium': [promise(2_000, 15)],
  'promise-large': [promise(12_000, 30)],
  jump: [jump(256, 7), jump(64, 2)],
  'jump-after-start': [jumpAfterStart(64, 2), jumpAfterStart(256, 7)],
  safe: [safe(64)],
  ahead: [ahead(64, 1), ahead(128, 1)],
  kills: [kills(64, 0), kills(64, 570_000)],
} as const satisfies Readonly<Record<string, readonly HistoryCase[]>>;
