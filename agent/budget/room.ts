import type { Clock } from '../shared/clock.ts';
import type { Discovery } from '../discovery/discover.ts';
import type { PrometheusClient } from '../prometheus/client.ts';
import { budgetOf, isOutgrown, type Budget, type Resources } from '../shared/budget.ts';
import { grown, type Layout, type Load } from '../shared/layout.ts';
import type { Settings } from '../shared/settings/schema.ts';
import type { RoomStatus } from '../shared/status.ts';
import { errorText } from '../shared/text.ts';
import type { TargetGroup } from '../targets/groups.ts';
import type { Troubles } from '../troubles.ts';
import { fit, memoryOf, targetKey } from './fit.ts';
import { createGuard } from './guard.ts';
import { createHeadGuard } from './head.ts';
import { watchLoad, withMargin, withoutMargin, type LoadFile } from './load.ts';
import type { MemoryLimit } from './limits.ts';
import type { PlanMemory } from './plan.ts';
import { readSamples } from './samples.ts';
import type { Volume } from './volume.ts';
import type { VolumeLook } from './watchdog.ts';

/** How often the targets' samples are asked for: one query, and an app that explodes fails alone until then. */
const SAMPLES_EVERY_MS = 30_000;
/** The same while there are targets that were never scraped, which are taken for more than most are; and how often that is looked at. */
const UNKNOWN_SAMPLES_EVERY_MS = 5_000;

export interface RoomOptions {
  readonly memory: MemoryLimit;
  /** `usedBytes` is undefined where it could not be read. */
  readonly volume: Pick<Volume, 'kind' | 'sizeBytes'> & { readonly usedBytes: number | undefined };
  readonly storageFolder: string;
  readonly loadFile: LoadFile;
  /** What was taken in before the agent was started; undefined when that is not known. */
  readonly savedLoad: Load | undefined;
  readonly settings: () => Settings;
  readonly client: PrometheusClient;
  readonly clock: Clock;
  readonly troubles: Troubles;
  /** Prometheus is to be run otherwise: another retention, or other blocks. */
  readonly onRetention: () => void;
  /** Targets are to be fitted anew. */
  readonly onFit: () => void;
  /** The volume was looked at once more; returns whether something on it was freed. Never rejects. */
  readonly onLook: (look: VolumeLook) => Promise<boolean>;
}

/** Keeps what is scraped within what this instance can hold, in memory and on its volume. */
export interface Room {
  readonly budget: () => Budget;
  /** What the data may take at present. */
  readonly retentionSizeBytes: () => number | undefined;
  /** Makes a discovery fit; another function as soon as it would fit otherwise. */
  readonly fit: () => (discovery: Discovery) => Discovery;
  /** Takes the settings anew. */
  readonly update: () => void;
  /** The most samples that a target can have room for. */
  readonly mostSamples: () => number;
  /** Begins with these targets as they were scraped, until Prometheus tells what they expose. */
  remember(groups: Iterable<TargetGroup>): void;
  readonly status: () => RoomStatus;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export function createRoom(options: RoomOptions): Room {
  const { memory, volume, settings, client, clock, troubles, onRetention, onFit } = options;
  const memoryLimitBytes = memory.kind === 'known' ? memory.bytes : undefined;
  /** What blocks are made for, until Prometheus runs; then how long they are. */
  let lastLoad = options.savedLoad;
  let layout: Layout | undefined;
  let layoutSinceMs = clock.nowMs();
  let budget = makeBudget();
  let samples: ReadonlyMap<string, number> = new Map();
  let planMemory: PlanMemory | undefined;
  let load = 0;
  let hasUnknown = false;
  let learntAtMs = -Infinity;
  let fitNow = makeFit();

  const guard = createGuard({
    folder: options.storageFolder,
    retentionSizeBytes: () => budget.retentionSizeBytes ?? Infinity,
    onChange() {
      onRetention();
      refit();
    },
    onLook: options.onLook,
    troubles,
    clock,
  });

  const head = createHeadGuard({
    client,
    budgetSeries: mostSeries,
    onChange: refit,
    troubles,
    clock,
  });

  function inForce(): Resources {
    const { retentionSizeBytes, retentionMs, remoteWrite } = settings();
    const load = lastLoad === undefined ? undefined : withMargin(lastLoad);
    return { memoryLimitBytes, volume, retentionSizeBytes, retentionMs, receivers: remoteWrite.length, load, layout };
  }

  /**
   * More than the present blocks hold takes shorter ones: Prometheus is started anew, and cuts its head at once. That waits until the head,
   * a merged block or all blocks really are as large, so that a bind is not followed by a restart.
   */
  function follow(load: Load): void {
    if (layout === undefined) return;
    const usedBytes = guard.lastLook()?.usedBytes ?? volume.usedBytes ?? Infinity;
    const present = { layout: grown(layout, clock.nowMs() - layoutSinceMs), usedBytes };
    if (!isOutgrown(inForce(), present, withoutMargin(load))) return;
    lastLoad = load;
    layout = undefined;
    budget = makeBudget();
    keepLayout();
    onRetention();
  }

  function keepLayout(): void {
    ({ layout } = budget);
    layoutSinceMs = clock.nowMs();
  }

  function makeBudget(): Budget {
    const made = budgetOf(inForce());
    if (made.problems.length > 0) troubles.begin('memory', made.problems.join('; '));
    else troubles.end('memory', 'the memory suffices');
    return made;
  }

  function mostSeries(): number {
    return Math.min(...budget.limits.map(({ series }) => series));
  }

  function makeFit(): (discovery: Discovery) => Discovery {
    return (discovery) => {
      const { limits } = budget;
      const { scrapeIntervalMs: intervalMs, scrapeTimeoutMs: timeoutMs } = settings();
      const scrape = { intervalMs, timeoutMs };
      const { factor } = guard.state();
      const paused = head.paused();
      const fitted = fit(discovery, { limits, samples, factor, scrape, memory: planMemory, paused });
      ({ memory: planMemory, load } = fitted.plan);
      hasUnknown = fitted.discovery.groups.some((group) => !samples.has(targetKey(group)));
      return fitted.discovery;
    };
  }

  function refit(): void {
    fitNow = makeFit();
    onFit();
  }

  async function learnSamples(): Promise<void> {
    try {
      const now = await readSamples(client);
      const isSame = now.size === samples.size && [...now].every(([key, count]) => samples.get(key) === count);
      samples = now;
      const isFirst = planMemory?.isStanding === true;
      if (planMemory?.isStanding === true) planMemory = { ...planMemory, isStanding: false };
      learntAtMs = clock.nowMs();
      troubles.end('samples', 'Prometheus tells again how much each target exposes');
      if (!isSame || isFirst) refit();
    } catch (error) {
      // One that starts, or is restarted, is told of elsewhere.
      const isReady = await client.ready().then(
        () => true,
        () => false,
      );
      if (isReady)
        troubles.begin('samples', `Prometheus does not tell how much each target exposes: ${errorText(error)}`);
    }
  }

  function retentionSizeNow(): number | undefined {
    const { steps, retentionSizeBytes } = guard.state();
    return steps > 0 ? retentionSizeBytes : budget.retentionSizeBytes;
  }

  return {
    budget: () => budget,
    mostSamples: mostSeries,
    retentionSizeBytes: retentionSizeNow,
    fit: () => fitNow,
    update() {
      budget = makeBudget();
      fitNow = makeFit();
    },
    remember(groups) {
      planMemory = memoryOf(groups, settings().scrapeIntervalMs);
    },
    status() {
      const look = guard.lastLook();
      return {
        memoryLimitBytes,
        goMemLimitBytes: budget.goMemLimitBytes,
        volume: volume.kind,
        volumeBytes: look?.sizeBytes ?? volume.sizeBytes,
        volumeUsedBytes: look?.usedBytes ?? volume.usedBytes,
        retentionSizeBytes: retentionSizeNow(),
        load,
        steps: guard.state().steps,
        series: head.series(),
        pausedApps: [...head.paused().keys()],
      };
    },
    async run(signal) {
      keepLayout();
      const isStopped = (): boolean => signal.aborted;
      const learn = async (): Promise<void> => {
        while (!isStopped()) {
          await clock.sleep(UNKNOWN_SAMPLES_EVERY_MS, signal);
          const isDue = hasUnknown || clock.nowMs() - learntAtMs >= SAMPLES_EVERY_MS;
          if (!isStopped() && isDue) await learnSamples();
        }
      };
      const measured = watchLoad({ client, file: options.loadFile, clock, onLoad: follow }, signal);
      await Promise.all([guard.run(signal), head.run(signal), learn(), measured]);
    },
  };
}
