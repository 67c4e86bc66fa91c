import { UNIT_LABEL } from '../../discovery/labels.ts';
import { errorText } from '../../shared/text.ts';
import { APP_LABEL } from '../../discovery/target-group.ts';
import type { PrometheusClient, TargetHealth } from './client.ts';

/** How old an answer about the targets may get: what Prometheus spends on it grows with each target, to 1.4 MB at the most asked for. */
const FEWEST_MS_BETWEEN = 2_000;
const MS_BETWEEN_PER_TARGET = 15;
/**
 * How long a target's health is kept when Prometheus knows none: one that was moved to another job, for its sample limit, is not scraped
 * there before its interval is over.
 */
const KEPT_MS = 2 * 60_000;
/** With more targets than this only `up` of each is asked for, without errors and times: at 10,000 the whole answer is 7 MB, this is 1 MB. */
const MOST_TARGETS_WITH_HEALTH = 2_000;
const UP_QUERY = 'max by (tsuru_app, instance) (up{tsuru_app!=""})';
const UP_EVERY_MS = 15_000;
/** As Prometheus writes that there was no scrape yet, or that it is not told. */
const NO_TIME = '0001-01-01T00:00:00Z';
/** How old an answer about readiness may get, so that many clients cost one request. */
const READY_EVERY_MS = 1_000;

export type Readiness =
  { readonly ready: true; readonly version: string } | { readonly ready: false; readonly reason: string };

/** What Prometheus reports of itself and of its targets, requested on demand and not too often. */
export interface Health {
  readonly readiness: () => Promise<Readiness>;
  /** The health of a target by app and unit label, of very many only whether it is up; undefined when Prometheus does not report. */
  targets(count: number): Promise<((app: string, unit: string) => TargetHealth | undefined) | undefined>;
}

/** `onVersion` is called with the version whenever Prometheus is ready. */
export function createHealth(
  client: PrometheusClient,
  nowMs: () => number,
  onVersion: (version: string) => void,
): Health {
  const readiness = remember(
    () => READY_EVERY_MS,
    nowMs,
    async (): Promise<Readiness> => {
      try {
        await client.ready();
        const version = await client.version();
        onVersion(version);
        return { ready: true, version };
      } catch (error) {
        return { ready: false, reason: errorText(error) };
      }
    },
  );
  let wanted = 0;
  const everyMs = (): number => Math.max(FEWEST_MS_BETWEEN, wanted * MS_BETWEEN_PER_TARGET);
  let known = new Map<string, KnownHealth>();
  const targets = remember(everyMs, nowMs, async () => {
    try {
      known = new Map((await client.targets()).map((target) => keep(target, known, nowMs())));
      return (app: string, unit: string) => known.get(keyOf(app, unit))?.target;
    } catch {
      return undefined;
    }
  });
  const ups = remember(
    () => UP_EVERY_MS,
    nowMs,
    async () => {
      try {
        const results = await client.query(UP_QUERY);
        const byUnit = new Map(
          results.map(({ labels, value }) => [keyOf(labels['tsuru_app'], labels['instance']), value === 1 ? UP : DOWN]),
        );
        return (app: string, unit: string) => byUnit.get(keyOf(app, unit));
      } catch {
        return undefined;
      }
    },
  );
  return {
    readiness,
    async targets(count) {
      if (count > MOST_TARGETS_WITH_HEALTH) return ups();
      wanted = count;
      return targets();
    },
  };
}

const DOWN: TargetHealth = { health: 'down', lastError: '', lastScrape: NO_TIME, pool: '', discovered: {} };
const UP: TargetHealth = { ...DOWN, health: 'up' };

/** When what was seen. */
interface KnownHealth {
  readonly target: TargetHealth;
  readonly seenAtMs: number;
}

/** What to remember of a target: what is known, or else was known a short time ago at the same address. */
function keep(target: TargetHealth, known: ReadonlyMap<string, KnownHealth>, nowMs: number): [string, KnownHealth] {
  const key = keyOf(target.discovered[APP_LABEL], target.discovered[UNIT_LABEL]);
  const before = known.get(key);
  const isKept =
    target.health === 'unknown' &&
    before !== undefined &&
    before.target.discovered['__address__'] === target.discovered['__address__'] &&
    nowMs - before.seenAtMs < KEPT_MS;
  return [key, isKept ? before : { target, seenAtMs: nowMs }];
}

function keyOf(app: unknown, unit: unknown): string {
  return JSON.stringify([app, unit]);
}

/** Requests again only when the last answer is too old; callers meanwhile share one request. */
function remember<T>(forMs: () => number, nowMs: () => number, ask: () => Promise<T>): () => Promise<T> {
  let last: { answer: Promise<T>; askedAtMs: number } | undefined;
  return () => {
    if (last === undefined || nowMs() - last.askedAtMs >= forMs()) last = { answer: ask(), askedAtMs: nowMs() };
    return last.answer;
  };
}
