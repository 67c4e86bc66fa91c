import type { Annotations } from './known-apps.ts';
import { formatDuration, parseDuration } from '../shared/duration.ts';
import { shortLine } from '../shared/text.ts';

/** The annotations that users put on their apps and processes, as `tsuru metadata set` takes them. */
const PREFIX = 'prometheus.io/';
const KNOWN = ['scrape', 'port', 'path', 'scheme', 'interval', 'timeout'] as const;
type Name = (typeof KNOWN)[number];

/** Prometheus' own path, where no annotation names another. */
const DEFAULT_PATH = '/metrics';
/** No rule needs more than one scrape a second, and a typo (`1ms`) would flood the app. */
const SHORTEST_MS = 1_000;
/** Prometheus forgets a series after 5 minutes without a sample; above an hour a slip is likelier than a wish. */
const LONGEST_MS = 3_600_000;
/** Of a value in a sentence. */
const LONGEST_SHOWN = 80;

/** The interval and timeout that Prometheus uses for targets without their own: `global` of its configuration. */
export interface ScrapeDefaults {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** What the annotations of an app and of one of its processes ask for. What they do not ask for is not set. */
export interface ScrapeAnnotations {
  readonly scrape: boolean;
  readonly port?: number;
  /** `__metrics_path__`, `__scheme__`, `__scrape_interval__`, `__scrape_timeout__` and `__param_*`. */
  readonly labels: Readonly<Record<string, string>>;
  /** Each annotation that makes no sense, in a sentence; it counts as not set. */
  readonly problems: readonly string[];
}

/** Reads the `prometheus.io/` annotations of a process and its app; the process' own go before the app's. */
export function readScrapeAnnotations(
  app: Annotations,
  process: Annotations,
  defaults: ScrapeDefaults,
): ScrapeAnnotations {
  const problems: string[] = [];

  /** The first of the two values that makes sense. */
  function readOne<T>(name: Name, read: (value: string) => T | undefined, expected: string): T | undefined {
    for (const annotations of [process, app]) {
      const value = annotations[PREFIX + name]?.trim();
      if (value === undefined || value === '') continue;
      const understood = read(value);
      if (understood !== undefined) return understood;
      problems.push(`${PREFIX}${name}=${shortLine(value, LONGEST_SHOWN)} is ignored: it must be ${expected}`);
    }
    return undefined;
  }

  const scrape = readOne('scrape', readBoolean, '"true" or "false"') ?? true;
  const port = readOne('port', readPort, 'a port number from 1 to 65535');
  const scheme = readOne('scheme', readScheme, '"http" or "https"');
  const address = readOne('path', readPath, 'a path such as /metrics or /metrics?format=text');
  const span = `a duration from ${formatDuration(SHORTEST_MS)} to ${formatDuration(LONGEST_MS)}, such as 30s or 1m30s`;
  const intervalMs = readOne('interval', readSpan, span);
  const timeoutMs = readOne('timeout', readSpan, span);

  const labels: Record<string, string> = {};
  if (address !== undefined) {
    if (address.path !== DEFAULT_PATH) labels['__metrics_path__'] = address.path;
    for (const [parameter, value] of address.query) {
      const label = `__param_${parameter}`;
      if (!/^[a-zA-Z0-9_]+$/.test(parameter)) {
        problems.push(
          `the parameter ${shortLine(parameter, LONGEST_SHOWN)} in ${PREFIX}path is ignored: Prometheus takes only letters, digits and _ in its name`,
        );
      } else if (Object.hasOwn(labels, label)) {
        problems.push(`the parameter ${parameter} in ${PREFIX}path is given twice: its first value counts`);
      } else if (value === '') {
        problems.push(`the parameter ${parameter} in ${PREFIX}path is ignored: Prometheus needs a value for it`);
      } else {
        labels[label] = value;
      }
    }
  }
  if (scheme !== undefined) labels['__scheme__'] = scheme;
  // Prometheus drops a target whose timeout is above its interval.
  const interval = intervalMs ?? defaults.intervalMs;
  if (timeoutMs !== undefined && timeoutMs > interval) {
    problems.push(
      `${PREFIX}timeout=${formatDuration(timeoutMs)} is above the interval, so ${formatDuration(interval)} is used`,
    );
  }
  const timeout = Math.min(timeoutMs ?? defaults.timeoutMs, interval);
  // Both or neither: promtool checks new settings against the old targets, and one value from each side could contradict the other.
  if (timeoutMs !== undefined || intervalMs !== undefined) {
    labels['__scrape_interval__'] = formatDuration(interval);
    labels['__scrape_timeout__'] = formatDuration(timeout);
  }

  return {
    scrape,
    ...(port === undefined ? {} : { port }),
    labels,
    problems: [...problems, ...unknownNames(app, process)],
  };
}

function unknownNames(...annotations: readonly Annotations[]): string[] {
  return annotations.flatMap((all) =>
    Object.keys(all)
      .filter((name) => name.startsWith(PREFIX) && !KNOWN.some((known) => name === PREFIX + known))
      .map(
        (name) =>
          `${shortLine(name, LONGEST_SHOWN)} is not known here: there are ${KNOWN.map((known) => PREFIX + known).join(', ')}`,
      ),
  );
}

function readBoolean(value: string): boolean | undefined {
  const lower = value.toLowerCase();
  return lower === 'true' ? true : lower === 'false' ? false : undefined;
}

function readPort(value: string): number | undefined {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

function readScheme(value: string): string | undefined {
  const lower = value.toLowerCase();
  return lower === 'http' || lower === 'https' ? lower : undefined;
}

function readSpan(value: string): number | undefined {
  const spanMs = parseDuration(value);
  return spanMs !== undefined && spanMs >= SHORTEST_MS && spanMs <= LONGEST_MS ? spanMs : undefined;
}

/** A path with its query. A whole URL, or a path that starts with //, would name another host and is invalid. */
function readPath(value: string): { path: string; query: URLSearchParams } | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(value) || value.startsWith('//') || /[\s#\\]/.test(value)) return undefined;
  const [written = '', ...query] = value.split('?');
  const path = decode(written.startsWith('/') ? written : `/${written}`);
  return path === undefined ? undefined : { path, query: new URLSearchParams(query.join('?')) };
}

/** Prometheus encodes a path itself, so it is given the decoded one. */
function decode(path: string): string | undefined {
  try {
    const decoded = decodeURIComponent(path);
    return /\p{Cc}/u.test(decoded) ? undefined : decoded;
  } catch {
    return undefined;
  }
}
