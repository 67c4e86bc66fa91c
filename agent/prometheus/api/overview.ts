import { asArray, asObject, asOptionalArray, asOptionalText } from '../../shared/shape.ts';
import type { AskData } from './client.ts';

/** An alert as Prometheus has it. */
export interface ActiveAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: string;
  /** As Prometheus writes it. */
  readonly activeAt: string;
}

/** What is in its head. */
export interface HeadStatus {
  readonly series: number;
  /** The ten metrics with the most series, the largest first. */
  readonly top: readonly { readonly name: string; readonly series: number }[];
}

export interface Range {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

export async function readAlerts(ask: AskData): Promise<readonly ActiveAlert[]> {
  return asOptionalArray((await ask('/api/v1/alerts'))['alerts'], 'alerts').map((raw) => {
    const alert = asObject(raw, 'an alert');
    return {
      labels: textsOf(alert['labels'], 'labels'),
      annotations: textsOf(alert['annotations'], 'annotations'),
      state: asOptionalText(alert['state'], 'state'),
      activeAt: asOptionalText(alert['activeAt'], 'activeAt'),
    };
  });
}

export async function readHead(ask: AskData): Promise<HeadStatus> {
  const { headStats, seriesCountByMetricName } = await ask('/api/v1/status/tsdb');
  return {
    series: Number(asObject(headStats, 'headStats')['numSeries']),
    top: asOptionalArray(seriesCountByMetricName, 'seriesCountByMetricName').map((raw) => {
      const { name, value } = asObject(raw, 'a metric');
      return { name: asOptionalText(name, 'name'), series: Number(value) };
    }),
  };
}

/** The values of the first series of a query over a range, with their times in milliseconds since 1970. */
export async function readRange(
  ask: AskData,
  expression: string,
  { fromMs, toMs, stepMs }: Range,
): Promise<readonly { readonly atMs: number; readonly value: number }[]> {
  const words = { query: expression, start: fromMs / 1000, end: toMs / 1000, step: stepMs / 1000 };
  const query = Object.entries(words).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  const [first] = asArray((await ask(`/api/v1/query_range?${query.join('&')}`))['result'], 'result');
  if (first === undefined) return [];
  return asArray(asObject(first, 'result[0]')['values'], 'values').map((raw) => {
    const [seconds, value] = asArray(raw, 'a value');
    return { atMs: Number(seconds) * 1000, value: Number(value) };
  });
}

function textsOf(raw: unknown, what: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(asObject(raw ?? {}, what)).map(([name, value]) => [name, String(value)]));
}
