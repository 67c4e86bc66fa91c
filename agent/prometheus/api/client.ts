import { createHttpClient } from '../../shared/http.ts';
import { asArray, asObject, asOptionalArray, asOptionalText, parseJson } from '../../shared/shape.ts';
import { oneLine } from '../../shared/text.ts';
import type { OwnSecret } from './own-secret.ts';

/** Prometheus is on this machine: one that does not answer within this time hangs. */
const REQUEST_TIMEOUT_MS = 5_000;
/** A reload waits for scrapes in flight, up to their timeout, and goes on when its client has gone. */
const RELOAD_TIMEOUT_MS = 60_000;
/** A look, a reload and a status at once. */
const CONNECTIONS = 4;
/** 2,000 targets, the most that are asked for, are about 2 MB. */
const LARGEST_ANSWER_BYTES = 32 * 1024 * 1024;

/** How Prometheus last fared with a target. */
export interface TargetHealth {
  readonly health: 'up' | 'down' | 'unknown';
  /** '' when it is up. */
  readonly lastError: string;
  /** As Prometheus writes it; the year 1 when there was none yet. */
  readonly lastScrape: string;
  /** How long that took; undefined if it does not say. */
  readonly lastScrapeSeconds?: number;
  /** Its scrape job. */
  readonly pool: string;
  /** The labels before relabelling. */
  readonly discovered: Readonly<Record<string, unknown>>;
}

/** How Prometheus last evaluated a rule. */
export interface RuleHealth {
  readonly file: string;
  readonly group: string;
  readonly name: string;
  /** `unknown` until it was evaluated. */
  readonly health: 'ok' | 'err' | 'unknown';
  /** '' when it did not fail. */
  readonly lastError: string;
  /** As Prometheus writes it. */
  readonly lastEvaluation: string;
  /** Of its alerts, as they are sent. */
  readonly annotations: readonly string[];
}

/** A series of an instant query's answer. */
export interface QueryResult {
  readonly labels: Readonly<Record<string, unknown>>;
  readonly value: number;
}

/** What the agent asks of the Prometheus beside it. Each call rejects when there is no proper answer in time. */
export interface PrometheusClient {
  /** @throws when it is not ready, with its message. */
  readonly ready: () => Promise<void>;
  version(): Promise<string>;
  targets(): Promise<readonly TargetHealth[]>;
  rules(): Promise<readonly RuleHealth[]>;
  /** The URLs of the Alertmanagers that it sends alerts to. */
  alertmanagers(): Promise<readonly string[]>;
  /** The results of an instant query that gives a vector: labels and value of each. */
  query(expression: string): Promise<readonly QueryResult[]>;
  /** Its flags by their names, as it writes them. */
  readonly flags: () => Promise<Readonly<Record<string, unknown>>>;
  /** Its `/metrics`, as text. */
  metrics(): Promise<string>;
  /**
   * `POST /-/reload`. Resolves when Prometheus says that it has reloaded.
   * @throws {ReloadRefused} with Prometheus' message when it says that it has not; another error when it says nothing.
   */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** The `data` of an answer of its API, for questions that have a file of their own. */
export type AskData = (path: string) => Promise<Readonly<Record<string, unknown>>>;

/** A Prometheus that people look at. */
export interface ShownPrometheus extends PrometheusClient {
  readonly data: AskData;
  /** Where its `/` leads to: the path of its page of queries, which differs by version and package. '' if it leads nowhere. */
  readonly home: () => Promise<string>;
}

/** Prometheus answered that it did not reload, and why. */
export class ReloadRefused extends Error {
  override readonly name = 'ReloadRefused';
}

/** Somebody answers, but not with what was asked for. */
export class PrometheusAnswered extends Error {
  override readonly name = 'PrometheusAnswered';
}

export interface PrometheusClientOptions {
  /** Why there is no such Prometheus now: another process may answer at its address then. */
  readonly absence?: () => string | undefined;
  readonly access?: Pick<OwnSecret, 'authorization' | 'place'> | undefined;
}

export function createPrometheusClient(
  url: URL,
  { absence = () => undefined, access }: PrometheusClientOptions = {},
): ShownPrometheus {
  const headers = access === undefined ? {} : { authorization: access.authorization };
  const http = createHttpClient({
    url,
    connectTimeoutMs: REQUEST_TIMEOUT_MS,
    // A reload answers when it has ended.
    answerTimeoutMs: RELOAD_TIMEOUT_MS,
    largestAnswerBytes: LARGEST_ANSWER_BYTES,
    connections: CONNECTIONS,
  });

  /** Prometheus reads what it asks of requests at each of them, so that a file that is gone is missed at once. */
  async function restoreAccess(): Promise<void> {
    // The next request returns whether that helped.
    await access?.place().catch(() => undefined);
  }

  async function get(path: string): Promise<Buffer> {
    const { status, chunks } = await http.request({
      method: 'GET',
      path,
      headers,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const body = Buffer.concat(chunks);
    if (status === 200) return body;
    if (status === 401 || status === 500) await restoreAccess();
    const words = oneLine(body.toString('utf8', 0, 200));
    throw new PrometheusAnswered(`Prometheus answered ${status}${words === '' ? '' : `: ${words}`}`);
  }

  async function reload(): Promise<void> {
    const signal = AbortSignal.timeout(RELOAD_TIMEOUT_MS);
    const { status, chunks } = await http.request({ method: 'POST', path: '/-/reload', headers, signal });
    if (status === 200) return;
    const remedy = status === 403 ? ' (is it started with --web.enable-lifecycle?)' : '';
    throw new ReloadRefused(
      `Prometheus answered ${status}: ${oneLine(Buffer.concat(chunks).toString('utf8'))}${remedy}`,
    );
  }

  async function data(path: string): Promise<Readonly<Record<string, unknown>>> {
    return asObject(asObject(parseJson([await get(path)]), "Prometheus' answer")['data'], 'its data');
  }

  async function home(): Promise<string> {
    let location: string | undefined;
    await http.request({
      ...{ method: 'GET', path: '/', headers, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) },
      onHeaders(_status, answered) {
        location = String(answered['location'] ?? '');
      },
    });
    return URL.parse(location ?? '', url.href)?.pathname ?? '';
  }

  return {
    data,
    home,
    async ready() {
      const reason = absence();
      if (reason !== undefined) throw new Error(reason);
      await get('/-/ready');
    },
    async version() {
      return asOptionalText((await data('/api/v1/status/buildinfo'))['version'], 'version');
    },
    async targets() {
      return asArray((await data('/api/v1/targets?state=active'))['activeTargets'], 'activeTargets').map(readTarget);
    },
    async rules() {
      return asArray((await data('/api/v1/rules'))['groups'], 'groups').flatMap(readGroup);
    },
    async alertmanagers() {
      const { activeAlertmanagers } = await data('/api/v1/alertmanagers');
      return asArray(activeAlertmanagers, 'activeAlertmanagers').map((raw) =>
        asOptionalText(asObject(raw, 'an Alertmanager')['url'], 'url'),
      );
    },
    async query(expression) {
      const { result } = await data(`/api/v1/query?query=${encodeURIComponent(expression)}`);
      return asArray(result, 'result').map(readResult);
    },
    flags: () => data('/api/v1/status/flags'),
    metrics: async () => (await get('/metrics')).toString('utf8'),
    reload,
    close: http.close,
  };
}

function readTarget(raw: unknown, index: number): TargetHealth {
  const target = asObject(raw, `activeTargets[${index}]`);
  const health = target['health'];
  const seconds = target['lastScrapeDuration'];
  return {
    health: health === 'up' || health === 'down' ? health : 'unknown',
    lastError: asOptionalText(target['lastError'], 'lastError'),
    lastScrape: asOptionalText(target['lastScrape'], 'lastScrape'),
    ...(typeof seconds === 'number' ? { lastScrapeSeconds: seconds } : {}),
    pool: asOptionalText(target['scrapePool'], 'scrapePool'),
    discovered: asObject(target['discoveredLabels'], 'discoveredLabels'),
  };
}

function readGroup(raw: unknown, index: number): readonly RuleHealth[] {
  const where = `groups[${index}]`;
  const group = asObject(raw, where);
  return asOptionalArray(group['rules'], `${where}.rules`).map((item) => {
    const rule = asObject(item, 'a rule');
    const { health } = rule;
    return {
      file: asOptionalText(group['file'], 'file'),
      group: asOptionalText(group['name'], 'name'),
      name: asOptionalText(rule['name'], 'name'),
      health: health === 'ok' || health === 'err' ? health : 'unknown',
      lastError: asOptionalText(rule['lastError'], 'lastError'),
      lastEvaluation: asOptionalText(rule['lastEvaluation'], 'lastEvaluation'),
      annotations: asOptionalArray(rule['alerts'], 'alerts').flatMap((alert) =>
        Object.values(asObject(asObject(alert, 'an alert')['annotations'] ?? {}, 'annotations')).map(String),
      ),
    };
  });
}

function readResult(raw: unknown, index: number): QueryResult {
  const where = `result[${index}]`;
  const result = asObject(raw, where);
  const [, value] = asArray(result['value'], `${where}.value`);
  return { labels: asObject(result['metric'], `${where}.metric`), value: Number(value) };
}
