import type { Discovery } from '../discovery/discover.ts';
import type { LogLine } from '../prometheus/api/logfmt.ts';
import { samplesOf } from '../prometheus/api/exposition.ts';
import type { Log } from '../shared/log.ts';
import { formatDuration } from '../shared/duration.ts';
import { count } from '../shared/text.ts';
import type { Troubles } from '../system/troubles.ts';

/** Samples are refused with each scrape while they are: after this long without, they no longer are. */
const QUIET_MS = 5 * 60_000;
/** Prometheus' counter of each reason, for one whose log the agent does not read. */
const COUNTERS = {
  out_of_bounds: 'prometheus_target_scrapes_sample_out_of_bounds_total',
  out_of_order: 'prometheus_target_scrapes_sample_out_of_order_total',
  duplicate: 'prometheus_target_scrapes_sample_duplicate_timestamp_total',
} as const;
const TROUBLE = 'samples-refused';

export type RefusalReason = keyof typeof COUNTERS;

/** What Prometheus says of the samples that it did not store of one scrape, the same in Prometheus 2.42 and 3. */
const SAYS: readonly (readonly [says: RegExp, reason: RefusalReason])[] = [
  [/^Error on ingesting samples that are too old or are too far into the future/, 'out_of_bounds'],
  [/^Error on ingesting out-of-order samples/, 'out_of_order'],
  [/^Error on ingesting samples with different value but same timestamp/, 'duplicate'],
];

const REMEDIES: Readonly<Record<RefusalReason, string>> = {
  out_of_bounds:
    'their timestamps are too old, or more than 10 minutes ahead: expose samples without timestamps, or set the clock that makes them',
  out_of_order:
    'newer samples of the same series are stored already: expose samples without timestamps, and no series by two targets',
  duplicate: 'another value with the same timestamp is stored already: expose each series once, without timestamps',
};

/** Samples of one scrape that were not stored. */
export interface Refusal {
  /** The URL of the target. */
  readonly target: string;
  readonly reason: RefusalReason;
  readonly samples: number;
}

/** What a line of Prometheus' log says of samples that were not stored; undefined when it is about something else. */
export function readRefusal({ message, fields }: LogLine): Refusal | undefined {
  const reason = SAYS.find(([says]) => says.test(message))?.[1];
  const { target, num_dropped: dropped } = fields;
  if (reason === undefined || typeof target !== 'string') return undefined;
  return { target, reason, samples: Number(dropped ?? 1) || 1 };
}

/** The apps of targets by scheme, address and port, which Prometheus writes in front of a path. */
function appsByOrigin({ apps }: Discovery): ReadonlyMap<string, string> {
  return new Map(
    apps.flatMap(({ known, groups }) =>
      groups.flatMap(({ targets, labels }) =>
        targets.flatMap((address): [string, string][] => {
          const origin = originOf(`${labels['__scheme__'] ?? 'http'}://${address}`);
          return origin === undefined ? [] : [[origin, known.app.name]];
        }),
      ),
    ),
  );
}

function originOf(url: string): string | undefined {
  return URL.parse(url)?.origin;
}

export interface RefusalsOptions {
  readonly discovery: () => Discovery | undefined;
  readonly wallMs: () => number;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
  readonly log: Log;
  readonly troubles: Troubles;
  readonly onRefused: (app: string, reason: RefusalReason, samples: number) => void;
}

/** Samples that Prometheus refuses at present: its targets are up anyway, and only its log names them. */
export interface Refusals {
  /** A line of the log of the agent's own Prometheus. */
  readonly onLine: (line: LogLine) => void;
  /** The metrics of a Prometheus whose log the agent does not read; they have no app. */
  readonly onMetrics: (page: string) => void;
  /** What is refused of an app, in sentences. */
  readonly problemsOf: (app: string) => readonly string[];
}

/** What is refused of an app for one reason, since it began. */
interface Spell {
  readonly app: string;
  readonly reason: RefusalReason;
  readonly sinceMs: number;
  readonly lastAtMs: number;
  readonly samples: number;
}

export function createRefusals(options: RefusalsOptions): Refusals {
  const { discovery, wallMs, nowMs, log, troubles, onRefused } = options;
  const spells = new Map<string, Spell>();
  let origins: { of: Discovery; apps: ReadonlyMap<string, string> } | undefined;
  let counted: ReadonlyMap<RefusalReason, number> | undefined;
  let grown: { atMs: number; samples: number } | undefined;

  /** '' for a target of another job, or of an app that is gone. */
  function appOf(target: string): string {
    const now = discovery();
    if (now === undefined) return '';
    if (origins?.of !== now) origins = { of: now, apps: appsByOrigin(now) };
    return origins.apps.get(originOf(target) ?? '') ?? '';
  }

  function isOver({ lastAtMs }: Spell): boolean {
    return nowMs() - lastAtMs >= QUIET_MS;
  }

  return {
    onLine(line) {
      const refusal = readRefusal(line);
      if (refusal === undefined) return;
      const { reason, samples } = refusal;
      const app = appOf(refusal.target);
      onRefused(app, reason, samples);
      if (app === '') return;
      const key = JSON.stringify([app, reason]);
      const before = spells.get(key);
      const isNew = before === undefined || isOver(before);
      spells.set(key, {
        app,
        reason,
        sinceMs: isNew ? wallMs() : before.sinceMs,
        lastAtMs: nowMs(),
        samples: isNew ? samples : before.samples + samples,
      });
      if (isNew) log.warn({ app, reason }, `${app}: Prometheus refuses samples: ${REMEDIES[reason]}`);
    },
    onMetrics(page) {
      const now = new Map(
        (Object.keys(COUNTERS) as RefusalReason[]).map((reason) => [reason, total(page, COUNTERS[reason])]),
      );
      let samples = 0;
      for (const [reason, value] of counted === undefined ? [] : now) {
        // A Prometheus that was restarted counts from 0.
        const before = counted?.get(reason) ?? 0;
        const more = value >= before ? value - before : value;
        if (more > 0) onRefused('', reason, more);
        samples += more;
      }
      counted = now;
      if (samples > 0) grown = { atMs: nowMs(), samples: (grown?.samples ?? 0) + samples };
      if (grown === undefined) return;
      if (nowMs() - grown.atMs >= QUIET_MS) {
        grown = undefined;
        troubles.end(TROUBLE, `Prometheus has stored all samples for ${formatDuration(QUIET_MS)}`);
        return;
      }
      const text = `Prometheus refused ${count(grown.samples, 'sample')} for their timestamps; its log names the targets`;
      troubles.begin(TROUBLE, text);
    },
    problemsOf(app) {
      return [...spells.values()]
        .filter((spell) => spell.app === app && !isOver(spell))
        .map(
          ({ reason, samples, sinceMs }) =>
            `Prometheus refused ${count(samples, 'sample')} since ${new Date(sinceMs).toISOString()}: ${REMEDIES[reason]}`,
        );
    },
  };
}

function total(page: string, name: string): number {
  return [...samplesOf(page, name)].reduce((sum, { value }) => sum + value, 0);
}
