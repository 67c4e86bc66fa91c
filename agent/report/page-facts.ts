import type { FiringAlert, PageFacts, SenderState, Told, TopMetrics, Usage } from '../page/facts.ts';
import type { AskData } from '../prometheus/api/client.ts';
import { readAlerts, readHead, readRange, type ActiveAlert } from '../prometheus/api/overview.ts';
import { senderName, type SendersPage } from '../samples/senders.ts';
import { errorText } from '../shared/text.ts';

/** How old an answer of Prometheus may get, so that many open pages cost one request. */
const ALERTS_EVERY_MS = 5_000;
const SERIES_EVERY_MS = 60_000;
/** The time of the chart, and of its points: the agent's own series are stored once a minute. */
const USAGE_MS = 6 * 60 * 60_000;
const USAGE_STEP_MS = 5 * 60_000;
/** While there are few points, as after a start, all of them. */
const FIRST_USAGE_MS = 60 * 60_000;
const FIRST_USAGE_STEP_MS = 60_000;

/** What only Prometheus knows of the page's facts. */
type FromPrometheus = Pick<PageFacts, 'alerts' | 'metrics' | 'usage' | 'oldestMs' | 'home'>;

export interface PageQuestionsOptions {
  readonly ask: AskData;
  readonly home: () => Promise<string>;
  readonly query: (expression: string) => Promise<readonly { readonly value: number }[]>;
  readonly wallMs: () => number;
  readonly nowMs: () => number;
}

/** Asks Prometheus what the page shows of it. Never rejects: what it does not answer is unknown. */
export function createPageQuestions({
  ask,
  home: askHome,
  query,
  wallMs,
  nowMs,
}: PageQuestionsOptions): () => Promise<FromPrometheus> {
  const alerts = remember(ALERTS_EVERY_MS, nowMs, async (): Promise<readonly FiringAlert[]> =>
    (await readAlerts(ask)).filter(({ state }) => state === 'firing').map(firingAlert),
  );
  const metrics = remember(SERIES_EVERY_MS, nowMs, (): Promise<TopMetrics> => readHead(ask));
  const usage = remember(SERIES_EVERY_MS, nowMs, async (): Promise<readonly Usage[]> => {
    const toMs = wallMs();
    const read = async (spanMs: number, stepMs: number): Promise<readonly Usage[]> => {
      const points = await readRange(ask, 'max(tsuru_agent_volume_used_bytes)', {
        fromMs: toMs - spanMs,
        toMs,
        stepMs,
      });
      return points.map(({ atMs, value }) => ({ atMs, bytes: value }));
    };
    const recent = await read(FIRST_USAGE_MS, FIRST_USAGE_STEP_MS);
    const [first] = recent;
    return first === undefined || first.atMs > toMs - FIRST_USAGE_MS + FIRST_USAGE_STEP_MS
      ? recent
      : read(USAGE_MS, USAGE_STEP_MS);
  });
  const oldest = remember(SERIES_EVERY_MS, nowMs, async (): Promise<number | undefined> => {
    const [result] = await query('min(prometheus_tsdb_lowest_timestamp_seconds) > 0');
    return result === undefined ? undefined : result.value * 1000;
  });
  const home = remember(SERIES_EVERY_MS, nowMs, askHome);
  return async () => {
    const [firing, top, used, first, start] = await Promise.all([alerts(), metrics(), usage(), oldest(), home()]);
    return {
      ...{ alerts: firing, metrics: top, usage: used },
      oldestMs: first.known ? first.value : undefined,
      home: start.known ? start.value : undefined,
    };
  };
}

/** What remote_write does, as it was seen last. */
export function senderStates(last: SendersPage | undefined): Told<readonly SenderState[]> {
  if (last === undefined) return { known: false, reason: 'Prometheus was not asked yet' };
  const { senders, newestSeconds } = last;
  return {
    known: true,
    value: senders.map((sender) => ({
      name: senderName(sender),
      behindMs: sender.sentSeconds === 0 ? 0 : Math.max(0, (newestSeconds - sender.sentSeconds) * 1000),
      pending: sender.pending,
      hasSent: sender.sentSeconds > 0,
      failed: sender.failed,
    })),
  };
}

function firingAlert({ labels, annotations, activeAt }: ActiveAlert): FiringAlert {
  const { alertname = '', severity = '', ...others } = labels;
  const activeMs = Date.parse(activeAt);
  return {
    name: alertname,
    severity,
    text: annotations['summary'] ?? annotations['description'] ?? annotations['message'] ?? '',
    labels: others,
    activeMs: Number.isNaN(activeMs) ? undefined : activeMs,
  };
}

/** Asks again only when the last answer is too old; callers meanwhile share one request. A failure is not remembered. */
function remember<T>(forMs: number, nowMs: () => number, ask: () => Promise<T>): () => Promise<Told<T>> {
  let last: { readonly answer: Promise<Told<T>>; readonly askedAtMs: number } | undefined;
  const told = async (): Promise<Told<T>> => {
    try {
      return { known: true, value: await ask() };
    } catch (error) {
      last = undefined;
      return { known: false, reason: errorText(error) };
    }
  };
  return () => {
    if (last === undefined || nowMs() - last.askedAtMs >= forMs) last = { answer: told(), askedAtMs: nowMs() };
    return last.answer;
  };
}
