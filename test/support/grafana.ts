import { request } from 'undici';
import { asArray, asObject } from '../../agent/shared/shape.ts';

/** What is read of a dashboard. */
export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list: readonly Annotation[] };
}

interface Datasource {
  readonly type: string;
  readonly uid: string;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: Datasource;
  readonly targets?: readonly Target[];
}

interface Target {
  readonly refId: string;
  readonly datasource: Datasource;
  readonly expr: string;
  readonly legendFormat: string;
  readonly instant?: boolean;
}

interface Variable {
  readonly type: string;
  readonly name: string;
  readonly datasource?: Datasource;
  readonly query: string | { readonly query: string };
  readonly options?: readonly { readonly value: string }[];
  readonly allValue?: string;
  readonly regex?: string;
  readonly sort?: number;
}

interface Annotation {
  readonly name: string;
  readonly datasource: Datasource;
  readonly expr: string;
}

/** Grafana's number for values in reverse order of the alphabet. */
const DESCENDING = 2;
/** How far back graphs look, and the time between their points. */
const RANGE_SECONDS = 180;
const STEP_SECONDS = 5;
/** What Grafana fills in itself: four scrape intervals, of 2 s here, and more than a step. */
const BUILT_IN = { __rate_interval: '8s' };

export type Values = Readonly<Record<string, string>>;

export interface Result {
  readonly labels: Readonly<Record<string, unknown>>;
  readonly values: readonly number[];
}

/** Asks a Prometheus as Grafana's data source does: with forms by POST, and for the values of labels by GET. */
export interface Grafana {
  /** What can be chosen for each variable of a dashboard, in order, where some are chosen already. */
  choices(dashboard: Dashboard, chosen?: Values): Promise<ReadonlyMap<string, readonly string[]>>;
  query(expr: string, values: Values, isInstant: boolean): Promise<readonly Result[]>;
}

export function createGrafana(url: string, authorization: string): Grafana {
  async function ask(path: string, form?: URLSearchParams): Promise<unknown> {
    const { statusCode, body } = await request(`${url}${path}`, {
      method: form === undefined ? 'GET' : 'POST',
      headers: {
        authorization,
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      ...(form === undefined ? {} : { body: form.toString() }),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${form?.get('query') ?? path}: ${statusCode} ${text.trim()}`);
    return asObject(JSON.parse(text), 'answer')['data'];
  }

  async function valuesOf(variable: Variable, chosen: Values): Promise<readonly string[]> {
    const { query, options = [] } = variable;
    if (variable.type === 'datasource') return ['my-prometheus'];
    if (variable.type === 'custom') return options.map(({ value }) => value);
    const written = typeof query === 'string' ? query : query.query;
    const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(written) ?? [];
    const parameters = new URLSearchParams({ 'match[]': fill(selector, chosen) });
    const found = asArray(await ask(`/api/v1/label/${label}/values?${parameters.toString()}`), 'values').map(String);
    const [, pattern] = /^\/(.+)\/$/.exec(variable.regex ?? '') ?? [];
    const read = pattern === undefined ? found : found.flatMap((value) => new RegExp(pattern).exec(value)?.[1] ?? []);
    return variable.sort === DESCENDING ? read.toReversed() : read;
  }

  return {
    async choices({ templating }, chosen = {}) {
      const all = new Map<string, readonly string[]>();
      let sofar = chosen;
      for (const variable of templating.list) {
        const values = await valuesOf(variable, sofar);
        all.set(variable.name, values);
        sofar = { [variable.name]: variable.allValue ?? values[0] ?? '', ...sofar };
      }
      return all;
    },
    async query(expr, values, isInstant) {
      const endSeconds = Math.floor(Date.now() / 1000);
      const times = isInstant
        ? { time: endSeconds }
        : { start: endSeconds - RANGE_SECONDS, end: endSeconds, step: STEP_SECONDS };
      const form = new URLSearchParams({ query: fill(expr, { ...BUILT_IN, ...values }) });
      for (const [name, value] of Object.entries(times)) form.set(name, String(value));
      const data = asObject(await ask(`/api/v1/query${isInstant ? '' : '_range'}`, form), 'data');
      return asArray(data['result'], 'result').map((raw) => readResult(asObject(raw, 'series')));
    },
  };
}

function readResult({ metric, value, values }: Record<string, unknown>): Result {
  const samples = value === undefined ? asArray(values, 'values') : [value];
  return { labels: asObject(metric, 'metric'), values: samples.map((sample) => Number(asArray(sample, 'sample')[1])) };
}

/** Fills in variables as Grafana does: `$name`, `${name}` and `${name:raw}`. */
function fill(text: string, values: Values): string {
  return text.replaceAll(/\$(?:\{(\w+)(?::raw)?\}|(\w+))/g, (whole, braced?: string, plain?: string) => {
    const value = values[braced ?? plain ?? ''];
    if (value === undefined) throw new Error(`there is no variable ${whole}`);
    return value;
  });
}
